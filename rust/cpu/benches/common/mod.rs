//! What the benchmarks share: arguments, operands, and a clock.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::time::{Duration, Instant};

/// Command line: `[--threads N] [--sides a,b] [--list] [FILTER ...]`.
pub struct Arguments {
    pub threads: usize,
    pub list: bool,
    pub filters: Vec<String>,
    sides: Option<String>,
}

impl Arguments {
    pub fn parse() -> Self {
        let mut arguments = Self {
            threads: oxhorn_cpu::pool::default_threads(),
            list: false,
            filters: Vec::new(),
            sides: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => {} // cargo adds it
                "--list" => arguments.list = true,
                "--threads" => {
                    let number = words.next().and_then(|n| n.parse().ok());
                    arguments.threads = number.expect("--threads takes a number");
                }
                "--sides" => arguments.sides = words.next(),
                _ => arguments.filters.push(word),
            }
        }
        arguments
    }

    /// The sides asked for, or all.
    pub fn sides(&self, all: &[&str]) -> Vec<String> {
        let all = || all.iter().map(|side| side.to_string()).collect();
        self.sides.as_ref().map_or_else(all, |sides| sides.split(',').map(str::to_owned).collect())
    }
}

/// Values in -1..1 without structure.
pub fn rough(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i + seed) * 2_654_435_761 % 1_000_003) as f32 / 500_000.0 - 1.0).collect()
}

/// Seconds of one call: the fastest of several samples of at least half a millisecond each.
pub fn fastest(mut body: impl FnMut()) -> f64 {
    let time = |calls: u32, body: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..calls).for_each(|_| body());
        start.elapsed()
    };
    let mut calls = 1;
    let mut sample = time(1, &mut body);
    while sample < Duration::from_micros(500) {
        calls *= 2;
        sample = time(calls, &mut body);
    }
    let (begin, mut best) = (Instant::now(), sample);
    for samples in 0..500 {
        if samples >= 3 && begin.elapsed() > Duration::from_millis(80) {
            break;
        }
        best = best.min(time(calls, &mut body));
    }
    best.as_secs_f64() / f64::from(calls)
}
