# A subclassed Keras model with train_step, mixup and label smoothing in one place.
import keras
import tensorflow as tf
from keras import layers


class MixupModel(keras.Model):
    def __init__(self, classes, alpha=0.2):
        super().__init__()
        self.classes, self.alpha = classes, alpha
        self.backbone = keras.applications.ResNet50V2(include_top=False, weights=None, pooling="avg")
        self.dropout = layers.Dropout(0.3)
        self.head = layers.Dense(classes)

    def call(self, x, training=False):
        return self.head(self.dropout(self.backbone(x, training=training), training=training))

    def train_step(self, data):
        x, y = data
        y = tf.one_hot(y, self.classes)
        lam = tf.random.uniform([], 0.7, 1.0)
        order = tf.random.shuffle(tf.range(tf.shape(x)[0]))
        x, y = lam * x + (1 - lam) * tf.gather(x, order), lam * y + (1 - lam) * tf.gather(y, order)
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = self.compute_loss(x, y, logits)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        return {"loss": loss}


def main(train_ds, val_ds):
    model = MixupModel(100)
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    )
    model.fit(train_ds, epochs=90)
