"""Tools that an executor can run. Each implements domain.ports.Tool."""
