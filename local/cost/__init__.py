"""What a stack costs in a month, computed from the template and from what an event uses."""
