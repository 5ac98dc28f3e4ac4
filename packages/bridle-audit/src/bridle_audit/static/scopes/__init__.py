"""Name resolution: the bindings of each scope, and the dotted name that an expression refers to."""
