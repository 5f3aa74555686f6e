"""Steerable modules, in torch alone; convolutions and networks are built of them."""
