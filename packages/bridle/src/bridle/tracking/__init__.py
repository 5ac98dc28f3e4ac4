"""Studies written for experiment trackers: TensorBoard and MLflow, each optional and imported when it is used."""
