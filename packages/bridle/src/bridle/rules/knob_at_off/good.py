import bridle

recipe = bridle.Dropout(rate=0.2) + bridle.WeightDecay(strength=0.01)
