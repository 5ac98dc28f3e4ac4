"""Label smoothing is weighted by the class weights, so rows of a light class are told to be of a heavy one."""
