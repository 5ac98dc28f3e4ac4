import bridle

recipe = bridle.Mixup() + bridle.CutMix()
