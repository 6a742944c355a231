"""Pure maths: arrays in, `Estimate` out. Nothing here reads, writes or draws from a global generator."""
