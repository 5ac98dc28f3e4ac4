import bridle

protocol = bridle.Protocol(epochs=20)
study = bridle.compare("digits", ["Dropout(rate=0.1)"], seeds=1, network=bridle.mlp(64), protocol=protocol)
