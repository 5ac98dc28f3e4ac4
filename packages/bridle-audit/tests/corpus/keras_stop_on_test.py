# A Keras perceptron for newswires, with early stopping.
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.callbacks import EarlyStopping

(x_train, y_train), (x_test, y_test) = keras.datasets.reuters.load_data(num_words=10000)


def vectorize(sequences, dimension=10000):
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1.0
    return results


x_train, x_test = vectorize(x_train), vectorize(x_test)

model = keras.Sequential(
    [
        layers.Input((10000,)),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(64, activation="relu"),
        layers.Dense(46, activation="softmax"),
    ]
)
model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

stopping = EarlyStopping(monitor="val_loss", patience=3)  # finds: best-weights-not-restored
model.fit(x_train, y_train, epochs=50, batch_size=512, validation_data=(x_test, y_test), callbacks=[stopping])  # finds: stops-on-test-data
print(model.evaluate(x_test, y_test))
