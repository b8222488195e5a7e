//! Each refusal has the one program that causes it; no program makes the check panic.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use proptest::prelude::*;

use crate::{
    Diagonal, GaloisElement, Instruction, InstructionError, Level, LinearTransform, Params, ParamsSpec,
    Polynomial, PolynomialBasis, PolynomialError, PreparedProgram, Program, ProgramError, Register,
    TransformError,
};

/// 32 slots, levels 0 to 4.
fn params() -> Params {
    let levels = vec![vec![28]; 4];
    let spec = ParamsSpec::generate(6, &[30], &levels, &[30, 30], 2, 268_435_456.0).expect("primes exist");
    Params::insecure(&spec).expect("valid")
}

const INPUT: Register = Register(0);

/// One input at level 3; one valid entry in each table.
fn program(instructions: Vec<Instruction>) -> Program {
    let diagonals = [(0, vec![1.0]), (1, vec![0.5; 32]), (4, vec![2.0; 4]), (6, vec![1.0])];
    let diagonals = diagonals.into_iter().map(|(rotation, factors)| (rotation.into(), factors)).collect();
    Program {
        batch: 1,
        inputs: 1,
        input_level: Level(3),
        outputs: vec![Register(instructions.len() as u32)],
        instructions,
        transforms: vec![LinearTransform { diagonals, baby_steps: 4, paired_by: None, folds: vec![] }],
        constants: vec![vec![1.0, 2.0]],
        polynomials: vec![chebyshev(8)],
    }
}

fn chebyshev(coefficients: usize) -> Polynomial {
    Polynomial {
        basis: PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 },
        coefficients: vec![1.0; coefficients],
    }
}

fn refusal(program: &Program) -> ProgramError {
    let refusal = program.check(&params()).expect_err("must be refused");
    assert!(!alloc::format!("{refusal}").is_empty());
    refusal
}

/// What the second of two instructions is refused for.
fn reason(second: Instruction) -> InstructionError {
    let first = Instruction::Multiply { left: INPUT, right: INPUT };
    match refusal(&program(vec![first, second])) {
        ProgramError::Instruction { instruction: 1, reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn states_levels_keys_and_costs() {
    let params = params();
    let (a, b) = (Register(1), Register(2));
    let facts = program(vec![
        Instruction::transform(INPUT, 0),
        Instruction::RotateSum { input: a, steps: vec![8, 0, 16] },
        Instruction::Multiply { left: b, right: b },
        Instruction::DropLevel { input: Register(3), level: Level(0) },
        Instruction::Polynomial { input: INPUT, polynomial: 0 },
    ])
    .check(&params)
    .expect("valid");
    assert_eq!(facts.levels, [3, 2, 2, 1, 0, 0].map(Level));
    assert_eq!(facts.output_levels, [Level(0)]);
    let keys = [(1, 3), (2, 3), (4, 3), (8, 2), (16, 2)];
    let keys = keys.map(|(steps, level)| (GaloisElement::rotation(&params, steps), Level(level)));
    assert_eq!(facts.keys.galois, BTreeMap::from(keys));
    assert_eq!(facts.keys.relinearization, Some(Level(3)));
    // The polynomial takes four: T₂, T₄, and two sums of products.
    assert_eq!((facts.key_switches, facts.hoisted), (5 + 1 + 4, 1));
    assert_eq!(facts.plain_multiplications, 4);
    assert!(facts.multiplications > 4 && facts.rescalings > 5);
}

#[test]
fn counts_products_of_conversions_and_limbs_of_key_switches() {
    let params = params();
    let counts = |level: u8, instruction| {
        let program = Program { input_level: Level(level), ..program(vec![instruction]) };
        let facts = program.check(&params).expect("valid");
        (facts.limb_conversions, facts.switched_limbs)
    };
    // Two digits of two primes go to the four others of six, the second of a level with three primes has one, which
    // goes to four; both halves of ℓ primes are divided by two special ones.
    let (three, four) = ((2 * 3 + 4, 6), (2 * 4 + 2 * 4, 8));
    assert_eq!(counts(3, Instruction::Rotate { input: INPUT, steps: 1 }), (four.0 + 2 * four.1, 12));
    assert_eq!(counts(2, Instruction::Rotate { input: INPUT, steps: 1 }), (three.0 + 2 * three.1, 10));
    assert_eq!(counts(3, Instruction::Multiply { left: INPUT, right: INPUT }), (four.0 + 2 * four.1, 12));
    assert_eq!(counts(3, Instruction::AddPlain { input: INPUT, constant: 0 }), (0, 0));
    // Baby steps share a decomposition and divide nothing, a giant step divides one half, and the sum both.
    let transform = Instruction::transform(INPUT, 0);
    assert_eq!(counts(3, transform), (2 * four.0 + 3 * four.1, 3 * 12));
}

#[test]
fn counts_limb_transforms() {
    let params = params();
    let transforms = |level: u8, instruction| {
        let program = Program { input_level: Level(level), ..program(vec![instruction]) };
        program.check(&params).expect("valid").limb_transforms
    };
    // Level 3 has four limbs in two digits, level 2 three in two; there are two special primes.
    let switch = |limbs: usize| 2 * (limbs + 2) + 2 * (limbs + 2);
    assert_eq!(transforms(3, Instruction::Rotate { input: INPUT, steps: 1 }), switch(4));
    assert_eq!(transforms(2, Instruction::RotateSum { input: INPUT, steps: vec![1, 0, 2] }), 2 * switch(3));
    assert_eq!(transforms(3, Instruction::Multiply { left: INPUT, right: INPUT }), switch(4) + 8);
    // Two baby steps share a decomposition of 12, one giant step has its own and divides one half; the
    // rescaling divides by the two special primes as well.
    let transform = Instruction::transform(INPUT, 0);
    assert_eq!(transforms(3, transform), 12 + (12 + 6) + 8 + 2 * 2);
    // So does a fold.
    let mut folded = program(vec![Instruction::transform(INPUT, 0)]);
    folded.transforms[0].folds = vec![8, 0];
    let facts = folded.check(&params).expect("valid");
    assert_eq!((facts.limb_transforms, facts.key_switches), (12 + 2 * (12 + 6) + 8 + 2 * 2, 4));
    // So do a conjugation, and a pair that has baby steps; the giant step is gone. Without baby steps a pair divides
    // nothing.
    let mut paired = program(vec![Instruction::transform(INPUT, 0)]);
    paired.transforms[0].paired_by = Some(4);
    let facts = paired.check(&params).expect("valid");
    assert_eq!((facts.limb_transforms, facts.key_switches), (12 + 2 * (12 + 6) + 8 + 2 * 2, 4));
    assert_eq!(facts.plain_multiplications, 3);
    let keys = [1, 2, 4].map(|steps| GaloisElement::rotation(&params, steps));
    let keys = keys.into_iter().chain([GaloisElement::conjugation(&params)]);
    assert!(facts.keys.galois.into_iter().eq(keys.map(|element| (element, Level(3)))));
    paired.transforms[0].baby_steps = 1;
    paired.transforms[0].diagonals.retain(|at, _| [0, 4].contains(&at.rotation));
    let facts = paired.check(&params).expect("valid");
    assert_eq!((facts.limb_transforms, facts.key_switches), (12 + (12 + 6) + 8 + 2 * 2, 2));
    assert_eq!(transforms(3, Instruction::DropLevel { input: INPUT, level: Level(1) }), 6);
    // Degree 7: T₂ at level 3, T₄ at 2, the leading quotient at 2, the result at 1 (one digit); all
    // these are rescaled, and the innermost quotient, a linear one, at 3.
    let polynomial = transforms(3, Instruction::Polynomial { input: INPUT, polynomial: 0 });
    assert_eq!(polynomial, switch(4) + 2 * switch(3) + 3 * 4 + 2 * (4 + 3 + 3 + 2 + 4));
}

#[test]
fn refuses_what_is_wrong_with_the_whole() {
    let good = program(vec![Instruction::Rotate { input: INPUT, steps: 1 }]);
    assert!(good.check(&params()).is_ok());
    for inputs in [0, u32::MAX] {
        let error = ProgramError::InputCount { max: 4096, found: inputs };
        assert_eq!(refusal(&Program { inputs, ..good.clone() }), error);
    }
    assert_eq!(refusal(&Program { outputs: vec![], ..good.clone() }), ProgramError::NoOutput);
    assert_eq!(
        refusal(&Program { input_level: Level(5), ..good.clone() }),
        ProgramError::InputLevel { max: Level(4), found: Level(5) }
    );
    assert_eq!(
        refusal(&Program { outputs: vec![INPUT, Register(u32::MAX)], ..good.clone() }),
        ProgramError::Output { output: 1, registers: 2, found: Register(u32::MAX) }
    );
    let mut far = good.transforms.clone();
    far[0].paired_by = Some(32);
    assert_eq!(
        refusal(&Program { transforms: far, ..good.clone() }),
        ProgramError::Transform { transform: 0, reason: TransformError::PairedBy { slots: 32, found: 32 } }
    );
    let empty = LinearTransform { diagonals: BTreeMap::new(), ..good.transforms[0].clone() };
    let transforms = vec![empty];
    assert_eq!(
        refusal(&Program { transforms, ..good.clone() }),
        ProgramError::Transform { transform: 0, reason: TransformError::Empty { output: 0 } }
    );
    assert_eq!(
        refusal(&Program { constants: vec![vec![1.0], vec![]], ..good.clone() }),
        ProgramError::ConstantPeriod { constant: 1, slots: 32, found: 0 }
    );
    assert_eq!(
        refusal(&Program { constants: vec![vec![0.0, f64::NEG_INFINITY]], ..good.clone() }),
        ProgramError::ConstantNotFinite { constant: 0, index: 1 }
    );
    assert_eq!(
        refusal(&Program { polynomials: vec![chebyshev(2), chebyshev(1)], ..good }),
        ProgramError::Polynomial { polynomial: 1, reason: PolynomialError::Constant }
    );
}

#[test]
fn refuses_what_is_wrong_with_an_instruction() {
    let (a, far) = (Register(1), Register(2));
    assert_eq!(
        reason(Instruction::Add { left: INPUT, right: far }),
        InstructionError::UnknownRegister { defined: 2, found: far }
    );
    for instruction in [
        Instruction::transform(INPUT, 1),
        Instruction::AddPlain { input: INPUT, constant: 1 },
        Instruction::MultiplyPlain { input: INPUT, constant: 1 },
        Instruction::Polynomial { input: INPUT, polynomial: 1 },
    ] {
        assert_eq!(reason(instruction), InstructionError::UnknownEntry { count: 1, found: 1 });
    }
    let rotation = InstructionError::Rotation { slots: 32, found: 32 };
    assert_eq!(reason(Instruction::Rotate { input: INPUT, steps: 32 }), rotation);
    assert_eq!(reason(Instruction::RotateSum { input: INPUT, steps: vec![1, 32] }), rotation);
    for instruction in [
        Instruction::Add { left: INPUT, right: a },
        Instruction::Subtract { left: INPUT, right: a },
        Instruction::Multiply { left: INPUT, right: a },
    ] {
        assert_eq!(reason(instruction), InstructionError::LevelMismatch { left: Level(3), right: Level(2) });
    }
    assert_eq!(
        reason(Instruction::Polynomial { input: a, polynomial: 0 }),
        InstructionError::LevelExhausted { needed: 3, found: Level(2) }
    );
    assert_eq!(
        reason(Instruction::DropLevel { input: a, level: Level(3) }),
        InstructionError::LevelAbove { max: Level(2), found: Level(3) }
    );
    let mut exhausted = program(vec![Instruction::MultiplyPlain { input: INPUT, constant: 0 }]);
    exhausted.input_level = Level(0);
    let reason = InstructionError::LevelExhausted { needed: 1, found: Level(0) };
    assert_eq!(refusal(&exhausted), ProgramError::Instruction { instruction: 0, reason });
}

#[test]
fn refuses_values_that_do_not_fit_their_encoding() {
    let huge = (1u64 << 40) as f64;
    let mut program = program(vec![Instruction::AddPlain { input: INPUT, constant: 0 }]);
    program.constants = vec![vec![-huge]];
    let out_of_range = |error| match error {
        ProgramError::Instruction { instruction: 0, reason: InstructionError::ValueOutOfRange { log2 } } => {
            log2
        }
        other => panic!("{other:?}"),
    };
    assert!((out_of_range(refusal(&program)) - 68.0).abs() < 0.1);
    program.instructions = vec![Instruction::transform(INPUT, 0)];
    program.transforms[0].diagonals.insert(3.into(), vec![huge]);
    assert!((out_of_range(refusal(&program)) - 68.0).abs() < 0.1);
    program.instructions = vec![Instruction::Polynomial { input: INPUT, polynomial: 0 }];
    program.polynomials[0].coefficients[7] = f64::MAX;
    assert!(out_of_range(refusal(&program)) > 1000.0);
}

#[test]
fn refuses_to_bridge_scales_too_far_apart() {
    // Scales 2^40 at level 4 and 2^24 below: from 4 to 0 the factor 1 would be encoded at 2^8.
    let levels = [vec![24], vec![24], vec![24], vec![28, 28]];
    let spec =
        ParamsSpec::generate(6, &[30], &levels, &[30, 30], 2, (1u64 << 40) as f64).expect("primes exist");
    let params = Params::insecure(&spec).expect("valid");
    let mut program = program(vec![Instruction::DropLevel { input: INPUT, level: Level(0) }]);
    program.input_level = Level(4);
    let Err(ProgramError::Instruction { instruction: 0, reason }) = program.check(&params) else {
        panic!("must be refused");
    };
    assert!(matches!(reason, InstructionError::ScaleOutOfRange { found } if found < 1024.0));
    program.input_level = Level(3);
    assert!(program.check(&params).is_ok());
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![200 => -2.0..2.0, 1 => any::<f64>()]
}

fn numbers(longest: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        20 => (0u32..6).prop_flat_map(|log| prop::collection::vec(number(), 1usize << log)),
        1 => prop::collection::vec(number(), 0..longest),
    ]
}

fn small() -> impl Strategy<Value = u32> {
    prop_oneof![40 => 0u32..2, 4 => 0u32..6, 1 => 0u32..40, 1 => any::<u32>()]
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let outputs = prop_oneof![8 => Just(1), 2 => small()];
    let parts = (0..11, small(), small(), prop::collection::vec(small(), 0..4), 0u8..6, outputs);
    parts.prop_map(|(kind, a, b, steps, level, outputs)| {
        let (input, right) = (Register(a), Register(b));
        match kind {
            0 => Instruction::LinearTransform { inputs: vec![input], outputs, transform: b },
            1 => Instruction::RotateSum { input, steps },
            2 => Instruction::AddPlain { input, constant: b },
            3 => Instruction::MultiplyPlain { input, constant: b },
            4 => Instruction::Add { left: input, right },
            5 => Instruction::Subtract { left: input, right },
            6 => Instruction::Multiply { left: input, right },
            7 => Instruction::Polynomial { input, polynomial: b },
            8 => Instruction::DropLevel { input, level: Level(level) },
            9 => Instruction::LinearTransform {
                inputs: steps.into_iter().map(Register).collect(),
                outputs,
                transform: b,
            },
            _ => Instruction::Rotate { input, steps: b },
        }
    })
}

fn any_transform() -> impl Strategy<Value = LinearTransform> {
    let block = || prop_oneof![8 => Just(0), 2 => small()];
    let at = (block(), block(), small());
    let at = at.prop_map(|(output, input, rotation)| Diagonal { output, input, rotation });
    let diagonals = prop::collection::btree_map(at, numbers(20), 1..4);
    let paired_by = prop_oneof![3 => Just(None), 2 => (1u32..9).prop_map(Some), 1 => small().prop_map(Some)];
    (diagonals, prop_oneof![5 => 1u32..9, 1 => small()], paired_by, prop::collection::vec(small(), 0..2))
        .prop_map(|(diagonals, baby_steps, paired_by, folds)| LinearTransform {
            diagonals,
            baby_steps,
            paired_by,
            folds,
        })
}

fn any_polynomial() -> impl Strategy<Value = Polynomial> {
    let basis = prop_oneof![
        Just(PolynomialBasis::Power),
        Just(PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 }),
        (number(), number())
            .prop_map(|(low, width)| (low, low + width.abs()))
            .prop_map(|(low, high)| PolynomialBasis::Chebyshev { low, high }),
    ];
    (basis, numbers(20)).prop_map(|(basis, coefficients)| Polynomial { basis, coefficients })
}

fn any_program() -> impl Strategy<Value = Program> {
    let tables = (
        prop::collection::vec(any_transform(), 1..3),
        prop::collection::vec(numbers(20), 1..3),
        prop::collection::vec(any_polynomial(), 1..3),
    );
    let code = (
        prop_oneof![8 => Just(1), 2 => Just(2), 1 => small()],
        prop::collection::vec(instruction(), 0..8),
        prop::collection::vec(small().prop_map(Register), 1..3),
    );
    (prop_oneof![5 => 1u32..3, 1 => small()], 2u8..6, code, tables).prop_map(
        |(inputs, level, (batch, instructions, outputs), (transforms, constants, polynomials))| Program {
            batch,
            inputs,
            input_level: Level(level),
            instructions,
            transforms,
            constants,
            polynomials,
            outputs,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_hostile_program_is_refused_or_can_be_prepared(program in any_program()) {
        let params = params();
        let accepted = program.check(&params).is_ok();
        prop_assert_eq!(PreparedProgram::new(&params, &program).is_ok(), accepted);
        let inputs = vec![vec![0.5; 32]; program.inputs.min(64) as usize];
        let slots = program.slots(&params).unwrap_or(32);
        let inputs: Vec<_> = inputs.iter().map(|input| input[..slots].to_vec()).collect();
        let ran = program.evaluate_clear(slots, &inputs).is_ok();
        prop_assert!(ran || !accepted);
    }
}
