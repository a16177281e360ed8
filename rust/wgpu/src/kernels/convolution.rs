//! Convolution and its gradients, as matrix products whose elements are found in the images.

use std::fmt::Write;

use oxhorn_core::op::{ConvGradInput, ConvGradKernel, ConvSpec, Convolution};

use super::gemm::{Gemm, zero};
use super::movement::sizes;
use super::{Compiled, computed, only, ravel, unravel};
use crate::program::Compiler;
use crate::shader::Shader;
use crate::step::{Arg, Args};

/// Sizes of a convolution; positions and taps are counted in row-major order.
struct Geometry<'a> {
    spec: &'a ConvSpec,
    /// Spatial sizes of x, the window and y.
    x: &'a [usize],
    window: &'a [usize],
    y: &'a [usize],
    batch: usize,
    /// Channels of a group, in and out.
    c_in: usize,
    c_out: usize,
}

impl<'a> Geometry<'a> {
    fn new(spec: &'a ConvSpec, x: &'a [usize], kernel: &'a [usize], y: &'a [usize]) -> Self {
        let space = x.len() - 2;
        Self {
            spec,
            x: &x[1..=space],
            window: &kernel[..space],
            y: &y[1..=space],
            batch: x[0],
            c_in: kernel[space],
            c_out: kernel[space + 1] / spec.groups,
        }
    }

    fn rank(&self) -> usize {
        self.x.len()
    }

    fn taps(&self) -> usize {
        self.window.iter().product()
    }

    fn arguments(&self, shader: &mut Shader) {
        sizes(shader, "n", self.x);
        sizes(shader, "w", self.window);
        sizes(shader, "d", self.y);
        for axis in 0..self.rank() {
            shader.u(&format!("step{axis}"), self.spec.strides[axis]);
            shader.i(&format!("pad{axis}"), self.spec.padding[axis].0);
            shader.u(&format!("dilation{axis}"), self.spec.dilation[axis]);
        }
        shader.u("c_in", self.c_in.max(1));
        shader.u("c_out", self.c_out.max(1));
        shader.u("all_in", self.c_in * self.spec.groups);
        shader.u("all_out", self.c_out * self.spec.groups);
        shader.u("positions_x", self.x.iter().product::<usize>().max(1));
        shader.u("positions_y", self.y.iter().product::<usize>().max(1));
    }

    /// Statements that find, for the element of y at position `position` of image `image` and the tap
    /// `tap`, the pixel of x as `at`; without one, zero is returned.
    fn pixel_of_x(&self, image: &str, position: &str, tap: &str, ty: &str) -> String {
        let rank = self.rank();
        let mut text = unravel(position, "o", "d", rank) + &unravel(tap, "k", "w", rank);
        for axis in 0..rank {
            // Before the image wraps to a large number.
            let _ = write!(
                text,
                "    let a{axis} = o{axis} * p.step{axis} + k{axis} * p.dilation{axis} - u32(p.pad{axis});
    if a{axis} >= p.n{axis} {{
        return {ty}(0);
    }}
"
            );
        }
        let _ = writeln!(text, "    let at = {image} * p.positions_x + {};", ravel("a", "n", rank));
        text
    }

    /// The same for the pixel of y from which position `position` of x and the tap `tap` come.
    fn pixel_of_y(&self, image: &str, position: &str, tap: &str, ty: &str) -> String {
        let rank = self.rank();
        let mut text = unravel(position, "o", "n", rank) + &unravel(tap, "k", "w", rank);
        for axis in 0..rank {
            let _ = write!(
                text,
                "    let origin{axis} = i32(o{axis}) + p.pad{axis} - i32(k{axis} * p.dilation{axis});
    let a{axis} = u32(max(origin{axis}, 0)) / p.step{axis};
    if origin{axis} < 0 || u32(origin{axis}) % p.step{axis} != 0u || a{axis} >= p.d{axis} {{
        return {ty}(0);
    }}
"
            );
        }
        let _ = writeln!(text, "    let at = {image} * p.positions_y + {};", ravel("a", "d", rank));
        text
    }
}

const TYPE: &str = "f32";

fn product(
    geometry: &Geometry<'_>,
    [m, n, k]: [usize; 3],
    operands: [&Arg; 2],
    [a, b, c]: [String; 3],
    deep: [bool; 2],
    output: &Arg,
    compiler: &mut Compiler,
) -> Compiled {
    if k == 0 {
        return zero(output, compiler);
    }
    let arguments = |shader: &mut Shader| geometry.arguments(shader);
    let batch = geometry.spec.groups;
    Gemm { batch, m, n, k, operands, a, b, c, deep, arguments: &arguments }.compile(output, compiler)
}

/// See [`Convolution`]: rows are positions, columns output channels, terms taps and input channels; one
/// product for each group.
pub(super) fn forward(op: &Convolution, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, kernel], [y]) = only(args)?;
    computed(args, y.dtype(), compiler)?;
    let g = Geometry::new(&op.spec, x.dims(), kernel.dims(), y.dims());
    let sizes = [g.batch * g.y.iter().product::<usize>(), g.c_out, g.taps() * g.c_in];
    let a = format!(
        "    let tap = k / p.c_in;
    let image = i / p.positions_y;
    let position = i % p.positions_y;
{}    return x0(at * p.all_in + z * p.c_in + k % p.c_in);",
        g.pixel_of_x("image", "position", "tap", TYPE)
    );
    let b = "    return x1(k * p.all_out + z * p.c_out + j);".to_owned();
    let c = "    return i * p.all_out + z * p.c_out + j;".to_owned();
    product(&g, sizes, [&x, &kernel], [a, b, c], [true, false], &y, compiler)
}

/// See [`ConvGradInput`]: terms are taps and output channels.
pub(super) fn grad_input(op: &ConvGradInput, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([dy, kernel], [dx]) = only(args)?;
    computed(args, dx.dtype(), compiler)?;
    let g = Geometry::new(&op.spec, dx.dims(), kernel.dims(), dy.dims());
    let sizes = [g.batch * g.x.iter().product::<usize>(), g.c_in, g.taps() * g.c_out];
    let a = format!(
        "    let tap = k / p.c_out;
    let image = i / p.positions_x;
    let position = i % p.positions_x;
{}    return x0(at * p.all_out + z * p.c_out + k % p.c_out);",
        g.pixel_of_y("image", "position", "tap", TYPE)
    );
    let b = "    return x1((k / p.c_out * p.c_in + j) * p.all_out + z * p.c_out + k % p.c_out);".to_owned();
    let c = "    return i * p.all_in + z * p.c_in + j;".to_owned();
    product(&g, sizes, [&dy, &kernel], [a, b, c], [true, true], &dx, compiler)
}

/// See [`ConvGradKernel`]: rows are taps and input channels, terms images and positions.
pub(super) fn grad_kernel(op: &ConvGradKernel, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, dy], [dk]) = only(args)?;
    computed(args, dk.dtype(), compiler)?;
    let g = Geometry::new(&op.spec, x.dims(), dk.dims(), dy.dims());
    let sizes = [g.taps() * g.c_in, g.c_out, g.batch * g.y.iter().product::<usize>()];
    let a = format!(
        "    let tap = i / p.c_in;
    let image = k / p.positions_y;
    let position = k % p.positions_y;
{}    return x0(at * p.all_in + z * p.c_in + i % p.c_in);",
        g.pixel_of_x("image", "position", "tap", TYPE)
    );
    let b = "    return x1(k * p.all_out + z * p.c_out + j);".to_owned();
    let c = "    return i * p.all_out + z * p.c_out + j;".to_owned();
    product(&g, sizes, [&x, &dy], [a, b, c], [false, false], &dk, compiler)
}
