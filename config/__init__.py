"""Ready configurations, each commented and each tested to start; `creance init` writes them out."""
