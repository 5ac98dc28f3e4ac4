# Penalties of a Keras model, added one by one from a loop, and a net that decays in two ways.
import keras
from keras import layers, ops


def make_model(features, hidden=(128, 64), l2=1e-3):
    inputs = keras.Input((features,))
    x = inputs
    dense = []
    for units in hidden:
        layer = layers.Dense(units, activation="relu")
        dense.append(layer)
        x = layer(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.penalties = []
    for layer in dense:

        def penalty():  # finds: late-bound-penalty
            return l2 * ops.sum(ops.square(layer.kernel))  # or finds: late-bound-penalty

        model.penalties.append(penalty)
    return model


class PenalizedModel(keras.Model):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def call(self, x, training=False):
        return self.net(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight)
        return loss + sum(penalty() for penalty in self.net.penalties)


def main(x_train, y_train, x_val, y_val):
    model = PenalizedModel(make_model(x_train.shape[1]))
    model.compile(optimizer=keras.optimizers.SGD(1e-2, momentum=0.9), loss="mse")
    stopping = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    model.fit(x_train, y_train, validation_data=(x_val, y_val), epochs=200, callbacks=[stopping])
