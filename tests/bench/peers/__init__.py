"""What we are compared with: others' libraries as they come, and floors of our own making."""
