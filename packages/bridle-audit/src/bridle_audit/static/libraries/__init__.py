"""The libraries that programs use, by name: one name for each thing, and the kind of layer or loss that it is."""
