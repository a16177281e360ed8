//! Trains a network with one hidden layer on handwritten digits that it reads from a file, and reads digits
//! with it that it has not seen.
//!
//! `cargo run --release -p oxhorn --example train_mlp [digits.csv]`
//!
//! It goes the way of any training program: keep weights in slots, record one training step into a trace,
//! take its gradients there, compile it, and let an epoch loop run it over batches.

use std::error::Error;
use std::time::Duration;

use oxhorn::op::{ArgKind, Ew, ReduceKind};
use oxhorn::{Arg, DType, EpochLoop, Function, Shape, Slot, Tensor, TensorType, Trace, Wrt, gradient, ops};

const PIXELS: usize = 64;
const HIDDEN: usize = 64;
const CLASSES: usize = 10;
const BATCH: usize = 32;
const EPOCHS: usize = 20;
const LEARNING_RATE: f64 = 0.05;
const MOMENTUM: f64 = 0.9;

fn main() -> Result<(), Box<dyn Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv");
    let path = std::env::args().nth(1).unwrap_or_else(|| default.into());
    let samples = read_csv(&path)?;
    let mut random = Random(1);
    let order = random.permutation(samples.len());
    let (test, train) = order.split_at(samples.len() / 5);
    let (train_images, train_labels) = tensors(&samples, train)?;
    let (test_images, test_labels) = tensors(&samples, test)?;
    println!("{path}: {} digits to learn from, {} to test with", train.len(), test.len());

    let model = Model::new(&mut random)?;
    let step = model.training_step(BATCH)?;
    let arrays = vec![train_images, train_labels];
    for epoch in 1..=EPOCHS {
        let order = random.permutation(train.len()).into_iter().map(|i| i as i64).collect();
        let mut batches = EpochLoop::new(arrays.clone(), BATCH, Some(order), &[])?;
        while batches.run(&step, usize::MAX, Duration::from_secs(1))? > 0 {}
        let loss = batches.outputs()[0].to_vec::<f32>()?[0];
        println!("epoch {epoch:2}: loss of the last batch {loss:.4}");
    }

    let predict = model.prediction(test.len())?;
    let predicted = predict.call(&[test_images])?[0].to_vec::<i32>()?;
    let expected = test_labels.to_vec::<i32>()?;
    let right = predicted.iter().zip(&expected).filter(|(p, e)| p == e).count();
    println!("test accuracy: {:.4}", right as f64 / expected.len() as f64);
    println!("first test digits: {:?}, read as {:?}", &expected[..10], &predicted[..10]);
    Ok(())
}

/// Two dense layers and their optimizer's velocities.
struct Model {
    /// Kernel and bias of the hidden layer, then of the output layer.
    weights: Vec<Slot>,
    velocities: Vec<Slot>,
}

impl Model {
    fn new(random: &mut Random) -> oxhorn::Result<Self> {
        let shapes: [&[usize]; 4] = [&[PIXELS, HIDDEN], &[HIDDEN], &[HIDDEN, CLASSES], &[CLASSES]];
        let mut weights = Vec::new();
        let mut velocities = Vec::new();
        for shape in shapes {
            let size = shape.iter().product();
            let values: Vec<f32> = match shape {
                // Glorot and Bengio's uniform distribution.
                &[inputs, outputs] => {
                    let limit = (6.0 / (inputs + outputs) as f32).sqrt();
                    (0..size).map(|_| limit * (2.0 * random.unit() - 1.0)).collect()
                }
                _ => vec![0.0; size],
            };
            weights.push(Slot::new(&Tensor::from_slice(&values, shape)?)?);
            velocities.push(Slot::new(&Tensor::from_slice(&vec![0.0f32; size], shape)?)?);
        }
        Ok(Self { weights, velocities })
    }

    /// Logits (batch, classes) of images (batch, pixels).
    fn logits(&self, images: &Tensor) -> oxhorn::Result<Tensor> {
        let [kernel_1, bias_1, kernel_2, bias_2] = &self.weights[..] else { unreachable!("four weights") };
        let hidden = dense(images, kernel_1, bias_1)?;
        let hidden = ops::elementwise(Ew::Relu, &[hidden.into()])?;
        dense(&hidden, kernel_2, bias_2)
    }

    /// Records and compiles one step of gradient descent with momentum; it returns the loss.
    fn training_step(&self, batch: usize) -> oxhorn::Result<Function> {
        let trace = Trace::new();
        let images = trace.input(TensorType::new(DType::F32, [batch, PIXELS]));
        let labels = trace.input(TensorType::new(DType::I32, [batch]));
        let loss = trace.scope(|| -> oxhorn::Result<Tensor> {
            let loss = cross_entropy(&self.logits(&images)?, &labels)?;
            let sources: Vec<Wrt> = self.weights.iter().map(Wrt::Slot).collect();
            let gradients = gradient(&[(&loss, None)], &sources)?;
            for ((weight, velocity), gradient) in self.weights.iter().zip(&self.velocities).zip(gradients) {
                let gradient = gradient.expect("the loss depends on every weight");
                let kept = binary(Ew::Mul, velocity.read()?, MOMENTUM)?;
                let moved = binary(Ew::Sub, kept, binary(Ew::Mul, gradient, LEARNING_RATE)?)?;
                weight.write(&binary(Ew::Add, weight.read()?, &moved)?)?;
                velocity.write(&moved)?;
            }
            Ok(loss)
        })?;
        trace.compile(&[loss])
    }

    /// Compiles the reading of digits: the most likely class of each image.
    fn prediction(&self, batch: usize) -> oxhorn::Result<Function> {
        let trace = Trace::new();
        let images = trace.input(TensorType::new(DType::F32, [batch, PIXELS]));
        let class = trace.scope(|| ops::arg_reduce(ArgKind::Max, &self.logits(&images)?, 1, false))?;
        trace.compile(&[class])
    }
}

fn binary(op: Ew, a: impl Into<Arg>, b: impl Into<Arg>) -> oxhorn::Result<Tensor> {
    ops::elementwise(op, &[a.into(), b.into()])
}

/// x @ kernel + bias
fn dense(x: &Tensor, kernel: &Slot, bias: &Slot) -> oxhorn::Result<Tensor> {
    binary(Ew::Add, ops::matmul(x, &kernel.read()?, false, false)?, bias.read()?)
}

/// The mean of -log of the probability that the logits give to the labels.
fn cross_entropy(logits: &Tensor, labels: &Tensor) -> oxhorn::Result<Tensor> {
    let batch = labels.shape()[0];
    let column = ops::reshape(labels, &Shape::from([batch, 1]))?;
    let picked = ops::take_along_axis(&ops::log_softmax(logits, 1)?, &column, 1)?;
    binary(Ew::Mul, ops::reduce(ReduceKind::Sum, &picked, &[0, 1], false)?, -1.0 / batch as f64)
}

/// The rows of a file of comma-separated integers: 64 pixels from 0 to 16 and a digit. Lines that begin with
/// `#` are comments.
fn read_csv(path: &str) -> Result<Vec<[u8; PIXELS + 1]>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let values = line.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>();
        let row = values.ok().and_then(|values| values.try_into().ok());
        rows.push(row.ok_or_else(|| format!("{path}, line {}: expected 65 numbers below 256", number + 1))?);
    }
    Ok(rows)
}

/// Images (n, pixels) with values from 0 to 1 and labels (n,) of the chosen samples.
fn tensors(samples: &[[u8; PIXELS + 1]], chosen: &[usize]) -> oxhorn::Result<(Tensor, Tensor)> {
    let rows = chosen.iter().map(|&i| &samples[i]);
    let images: Vec<f32> =
        rows.clone().flat_map(|row| &row[..PIXELS]).map(|&p| f32::from(p) / 16.0).collect();
    let labels: Vec<i32> = rows.map(|row| i32::from(row[PIXELS])).collect();
    Ok((Tensor::from_slice(&images, [chosen.len(), PIXELS])?, Tensor::from_slice(&labels, [chosen.len()])?))
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to 1, without 1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// The numbers below `n` in random order.
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
        order
    }
}
