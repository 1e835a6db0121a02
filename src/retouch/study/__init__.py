"""Human judgement of a run's edits: blind questions, answers kept in the run's folder, preference rates and ratings."""
