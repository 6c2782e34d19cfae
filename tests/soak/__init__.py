"""Long runs that try to break what Stele promises: readers that must not miss, and processes that are killed."""
