"""Adapters: a recipe acts in the trainers of other libraries, each of them optional and imported when it is used."""
