"""The statistics behind helpers.py, a room a topic: sample, density, em, model, latent, verdict, comparison, figures."""
