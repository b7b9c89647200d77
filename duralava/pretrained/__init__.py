"""The shipped weights, one `.safetensors` file each; `duralava.weights` reads them."""
