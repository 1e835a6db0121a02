"""What runs inside other programs, tried on stand-ins for them."""
