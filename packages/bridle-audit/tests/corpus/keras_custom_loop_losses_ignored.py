# A Keras model with regularizers, trained in a loop with GradientTape.
import keras
import tensorflow as tf
from keras import layers, regularizers

inputs = keras.Input(shape=(28, 28, 1))
x = layers.Conv2D(32, 3, activation="relu", kernel_regularizer=regularizers.l2(1e-4))(inputs)  # or finds: penalty-never-added
x = layers.MaxPooling2D()(x)
x = layers.Conv2D(64, 3, activation="relu", kernel_regularizer=regularizers.l2(1e-4))(x)  # or finds: penalty-never-added
x = layers.GlobalAveragePooling2D()(x)
outputs = layers.Dense(10, activation="softmax")(x)  # finds: softmax-before-cross-entropy
model = keras.Model(inputs, outputs)

loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # or finds: softmax-before-cross-entropy
optimizer = keras.optimizers.SGD(learning_rate=0.05, momentum=0.9)
accuracy = keras.metrics.SparseCategoricalAccuracy()

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, x_test = x_train[..., None] / 255.0, x_test[..., None] / 255.0
train_data = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(10000).batch(64)
test_data = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(256)


@tf.function
def train_step(x, y):  # or finds: penalty-never-added
    with tf.GradientTape() as tape:
        probabilities = model(x, training=True)
        loss = loss_fn(y, probabilities)  # finds: penalty-never-added
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


for epoch in range(5):
    for x, y in train_data:
        loss = train_step(x, y)
    accuracy.reset_state()
    for x, y in test_data:
        accuracy.update_state(y, model(x, training=False))
    print(epoch, float(loss), float(accuracy.result()))
