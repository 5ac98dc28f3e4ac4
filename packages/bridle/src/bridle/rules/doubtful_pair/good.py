import bridle

recipe = bridle.Recipe.of(bridle.Mixup())
