"""The fused tensor-product convolution and its backends."""
