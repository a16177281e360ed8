"""Special functions and Fourier transforms. Public in `oxhorn.ops`."""
