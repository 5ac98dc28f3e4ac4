"""Every contender of a study overfits: what helps is not among them."""
