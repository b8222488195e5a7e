//! What transforms that do two diagonals by one product add.

use ckks_core::{Diagonal, LinearTransform, Register};

use super::{Noise, Parts, ROUNDING, down, rotated};

impl Noise<'_> {
    /// With errors `v + i·w` of the input, `z = x + i·rotate(x, k)` has `v − rotate(w, k)` in its real part and
    /// `rotate(v, k) + w` in its imaginary one, and the error of a key switch in both; the first is multiplied by the
    /// first diagonal of a pair, the second by the second. What is read is twice the real part of a product: rounding
    /// factors to integers counts four times, for both parts of z.
    pub(super) fn pairs(
        &self,
        transform: &LinearTransform,
        distance: u32,
        inputs: &[Register],
        outputs: usize,
        variances: &[Parts],
    ) -> Vec<Parts> {
        let level = self.levels[inputs[0].index()];
        let slots = self.values[inputs[0].index()].len();
        let encoding = 4.0 * self.slot(ROUNDING, level);
        let switched = self.slot(self.key_switch(level), level);
        // A baby step of a pair rounds as well: its second half is divided by P to be decomposed.
        let hoisted = switched + self.slot(self.division(), level);
        let paired = transform.paired_inputs();
        let mut sums = vec![vec![0.0; slots]; outputs];
        for at in transform.products() {
            let register = inputs[at.input as usize].index();
            let (values, [v, w]) = (&self.values[register], &variances[register]);
            let is_paired = paired.contains(&at.input);
            let is_baby = at.rotation % transform.baby_steps != 0;
            let [first, second] = [at.rotation, at.rotation + distance];
            let of =
                |numbers: &[f64], rotation: u32, slot: usize| numbers[(slot + rotation as usize) % slots];
            let inner = match (is_paired, is_baby) {
                (true, true) => switched + hoisted,
                (true, false) | (false, true) => switched,
                (false, false) => 0.0,
            };
            let factors =
                [first, second].map(|rotation| transform.diagonals.get(&Diagonal { rotation, ..at }));
            for slot in 0..slots {
                let square = |factors: Option<&Vec<f64>>| factors.map_or(0.0, |f| f[slot % f.len()].powi(2));
                let [a, b] = factors.map(square);
                let x = |rotation| of(values, rotation, slot).powi(2);
                sums[at.output as usize][slot] += if is_paired {
                    let real = of(v, first, slot) + of(w, second, slot) + inner;
                    let imaginary = of(v, second, slot) + of(w, first, slot) + inner;
                    a * real + b * imaginary + encoding * (x(first) + x(second))
                } else {
                    a * (of(v, first, slot) + inner) + encoding * x(first)
                };
            }
        }
        let below = self.rescaling(down(level));
        let folded = |sum: Vec<f64>| {
            let folds = transform.folds.iter();
            folds.fold(sum, |sum, &steps| sum.iter().zip(rotated(&sum, steps)).map(|(a, b)| a + b).collect())
        };
        let read = |sum| folded(sum).into_iter().map(|variance| variance + below).collect();
        sums.into_iter().map(|sum| [read(sum), vec![below; slots]]).collect()
    }
}

#[cfg(test)]
mod tests {
    use ckks_core::{
        CompressedGaloisKey, Encoder, EvaluationKeys, Instruction, Level, LinearTransform, Params,
        ParamsSpec, PreparedProgram, Program, Register, SecretKey, Seed, SeedSource, decrypt,
        encrypt_symmetric,
    };

    use crate::noise::variances;

    /// One transform of 32 diagonals.
    fn program(slots: usize, paired_by: Option<u32>, folds: &[u32]) -> Program {
        let diagonal = |k: u32| (0..slots).map(|i| (i as f64 * f64::from(k + 3) * 0.37).sin()).collect();
        let diagonals = (0..32).map(|k| (k.into(), diagonal(k))).collect();
        Program {
            batch: 1,
            inputs: 1,
            input_level: Level(1),
            instructions: vec![Instruction::transform(Register(0), 0)],
            transforms: vec![LinearTransform { diagonals, baby_steps: 8, paired_by, folds: folds.to_vec() }],
            constants: vec![],
            polynomials: vec![],
            outputs: vec![Register(1)],
        }
    }

    /// The mean over slots of the predicted variance, and of the square of the error of an evaluation.
    fn predicted_and_measured(params: &Params, program: &Program) -> [f64; 2] {
        let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64 * 1.3).cos()).collect();
        let mean = |squares: Vec<f64>| squares.iter().sum::<f64>() / squares.len() as f64;
        let predicted = variances(program, params, std::slice::from_ref(&values), 0).expect("runs").remove(0);

        let mut seeds = SeedSource::new(&Seed::new([5; 32]));
        let secret = SecretKey::generate(params, &seeds.next_seed());
        let (encoder, level) = (Encoder::new(params), program.input_level);
        let plaintext = encoder.encode_real(&values, level, params.scale_at(level)).expect("fits");
        let input = encrypt_symmetric(params, &secret, &plaintext, &mut seeds).expect("valid");
        let prepared = PreparedProgram::new(params, program).expect("valid");
        let mut keys = EvaluationKeys::new();
        for (&element, &level) in &prepared.facts().keys.galois {
            let key = CompressedGaloisKey::generate(params, &secret, element, level, &mut seeds);
            keys.insert_galois(key.expect("valid").prepare(params).expect("its own parameters"));
        }
        let outputs = prepared.evaluate(&[input.expand(params).expect("valid")], &keys).expect("runs");
        let found = decrypt(params, &secret, &outputs[0]).expect("same parameters");
        let found = encoder.decode_real(&found).expect("its own parameters");
        let expected = program.evaluate_clear(params.slots(), &[values]).expect("runs").remove(0);
        let errors = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).collect();
        [mean(predicted), mean(errors)]
    }

    #[test]
    fn imaginary_parts_of_errors_become_errors() {
        let spec = ParamsSpec::generate(12, &[28], &[vec![26]], &[28], 1, f64::from(1 << 26));
        let params = Params::new(&spec.expect("primes exist")).expect("secure");
        let mut all = vec![];
        for (paired_by, folds) in [(None, &[][..]), (Some(8), &[]), (Some(1), &[]), (Some(16), &[32])] {
            let [predicted, measured] =
                predicted_and_measured(&params, &program(params.slots(), paired_by, folds));
            let ratio = predicted / measured;
            assert!((0.8..1.25).contains(&ratio), "{paired_by:?}: {predicted:e}, {measured:e}");
            all.push(measured);
        }
        assert!(all[1] > 1.6 * all[0], "half a bit: {all:?}");
    }
}
