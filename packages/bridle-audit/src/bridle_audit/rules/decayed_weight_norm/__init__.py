"""Weight decay on a weight that is normalized before it is used: its length means nothing, and only that decays."""
