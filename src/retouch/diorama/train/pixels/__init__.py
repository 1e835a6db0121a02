"""Training the pixel cascade: a T5 text encoder, a base U-Net at 32x32 and a super-resolution U-Net to 128x128."""
