"""The penalty takes in biases and the parameters of norms, beside the weights that it is meant for."""
