"""What every namespace shares: variables, symbolic tensors, operations, scopes. Private."""
