import bridle

recipe = bridle.Dropout(rate=0.0) + bridle.WeightDecay(strength=0.01)
