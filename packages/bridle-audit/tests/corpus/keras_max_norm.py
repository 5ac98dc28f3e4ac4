# Max-norm in Keras, whose kernels have units in columns, with dropout on the inputs.
import keras
from keras import layers
from keras.constraints import MaxNorm

model = keras.Sequential(
    [
        layers.Input((60,)),
        layers.Dropout(0.2),
        layers.Dense(60, activation="relu", kernel_constraint=MaxNorm(3, axis=0)),
        layers.Dropout(0.5),
        layers.Dense(30, activation="relu", kernel_constraint=MaxNorm(3)),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.1, momentum=0.9), metrics=["accuracy"])


def fit(x, y, epochs=300):
    return model.fit(x, y, validation_split=0.3, epochs=epochs, batch_size=16, verbose=0)
