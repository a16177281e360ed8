"""Makes `layer_parity`, beside this file, importable from the tests in the folders below."""
