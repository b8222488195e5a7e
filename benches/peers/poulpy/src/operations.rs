// One set of parameters on the backend of the module that includes this file: every operation, measured and its
// result decrypted.

use std::collections::HashMap;

use poulpy_ckks::CKKSModuleInfos;
use poulpy_ckks::layouts::{CKKSCiphertextOwned, CKKSPlaintextOwned};
use poulpy_ckks::prelude::*;
use poulpy_core::api::{
    GLWEAutomorphismKeyCompressedEncryptSk, GLWEAutomorphismKeyPreparedFactory, GLWECompressedEncryptSk,
    GLWESecretPreparedFactory, GLWESecretSampling, GLWETensorKeyPreparedFactory,
};
use poulpy_core::layouts::{
    GGLWELayout, GLWEAutomorphismKeyAlloc, GLWEAutomorphismKeyCompressedAlloc, GLWEAutomorphismKeyLayout,
    GLWECompressedAlloc, GLWELayout, GLWESecretAlloc, GLWETensorKeyAlloc,
    GLWETensorKeyLayout, Rank, TorusPrecision, k_digit_of,
};
use poulpy_core::{GLWEAutomorphismKeyEncryptSk, GLWETensorKeyEncryptSk};
use poulpy_hal::api::{ScratchOwnedAlloc, ScratchOwnedBorrow};
use poulpy_hal::layouts::{Module, ScratchOwned, WriterTo};
use poulpy_hal::source::Source;

use crate::measure::{Report, Set, median_micros, precision_bits};

type Scratch = ScratchOwned<Backend>;
type Encrypted = CKKSCiphertextOwned<Backend>;
type Plain = CKKSPlaintextOwned<Backend>;

/// Bits that a plaintext has above its scale.
const HEAD_ROOM: usize = 20;

pub fn run(program: &str, set: &Set) {
    let degree = 1usize << set.log_degree;
    let (bits, guard) = (set.ciphertext_bits(), set.guard_bits());
    let module = Module::<Backend>::new(degree as u64);
    let (n, base2k, rank) = (degree.into(), set.radix.into(), Rank(1));
    let layout = |bits: usize| GLWELayout { n, base2k, k: TorusPrecision(bits as u32), rank };
    let k_digit = k_digit_of(set.radix, set.size);
    let dnum = GGLWELayout::dnum_for_input(TorusPrecision(bits as u32), k_digit);
    let k_aux = TorusPrecision(guard as u32);
    let galois_layout = GLWEAutomorphismKeyLayout { n, base2k, dnum, k_aux, rank, k_digit };
    let tensor_layout = GLWETensorKeyLayout { n, base2k, dnum, k_aux, rank, k_digit };
    let meta = GLWEPlaintextMeta { scale: Scale::Log(set.scale_bits), slots: SlotsKind::Complex, log_sparsity: 0 };
    let precision = CKKSLayout { glwe_layout: layout(set.scale_bits + HEAD_ROOM), meta };

    let mut scratch = Scratch::alloc(1 << 28);
    let mut random = Source::new([7; 32]);
    let mut source = || Source::new(random.new_seed());

    let mut raw = module.glwe_secret_alloc_from_infos(&layout(bits));
    module.glwe_secret_fill_ternary_prob(&mut raw, 2.0 / 3.0, &mut source());
    let mut secret = module.glwe_secret_prepared_alloc_from_infos(&layout(bits));
    module.glwe_secret_prepare(&mut secret, &raw);

    let slots = module.ckks_max_slots();
    let values: Vec<f64> = (0..slots).map(|i| (i as f64).sin()).collect();
    let zeros = vec![0.0; slots];
    let squares: Vec<f64> = values.iter().map(|v| v * v).collect();
    let rotated: Vec<f64> = (0..slots).map(|i| values[(i + 1) % slots]).collect();

    let mut plaintext: Plain = module.ckks_plaintext_alloc_from_infos(&precision);
    module.ckks_encode_slots_host_into(&mut plaintext, &values, &zeros, &mut scratch.borrow()).unwrap();
    let empty = |bits: usize| -> Encrypted { module.ckks_ciphertext_alloc_from_glwe_infos(&layout(bits)) };
    let (mut ciphertext, mut other, mut out) = (empty(bits), empty(bits), empty(bits));
    let mut product = empty(bits - set.scale_bits);
    let mut encrypt = |ciphertext: &mut Encrypted, scratch: &mut Scratch| {
        let (mut noise, mut mask, arena) = (source(), source(), &mut scratch.borrow());
        module.ckks_encrypt_sk(ciphertext, &plaintext, &secret, &mut noise, &mut mask, arena).unwrap();
    };
    encrypt(&mut other, &mut scratch);
    let mut decoded = [zeros.clone(), zeros];
    let mut decrypt = |ciphertext: &Encrypted, scratch: &mut Scratch| {
        let mut found: Plain = module.ckks_plaintext_alloc_from_infos(&precision);
        module.ckks_decrypt(&mut found, ciphertext, &secret, &mut scratch.borrow()).unwrap();
        let [re, im] = &mut decoded;
        module.ckks_decode_slots_host_into(&found, re, im, &mut scratch.borrow()).unwrap();
        re.clone()
    };

    let element = module.ckks_galois_element(1);
    let make_key = |scratch: &mut Scratch| {
        let mut key = module.glwe_automorphism_key_alloc_from_infos(&galois_layout);
        let (mut noise, mut mask, arena) = (Source::new([1; 32]), Source::new([2; 32]), &mut scratch.borrow());
        module.glwe_automorphism_key_encrypt_sk(&mut key, element, &raw, &mut noise, &mut mask, arena);
        key
    };
    let mut galois = module.glwe_automorphism_key_prepared_alloc_from_infos(&galois_layout);
    module.glwe_automorphism_key_prepare(&mut galois, &make_key(&mut scratch), &mut scratch.borrow());
    let keys = HashMap::from([(element, galois)]);
    let mut tensor = module.glwe_tensor_key_alloc_from_infos(&tensor_layout);
    let (mut noise, mut mask) = (Source::new([3; 32]), Source::new([4; 32]));
    module.glwe_tensor_key_encrypt_sk(&mut tensor, &raw, &mut noise, &mut mask, &mut scratch.borrow());
    let mut relinearization = module.glwe_tensor_key_prepared_alloc_from_infos(&tensor_layout);
    module.glwe_tensor_key_prepare(&mut relinearization, &tensor, &mut scratch.borrow());

    let depth = (bits - set.scale_bits - HEAD_ROOM) / set.scale_bits;
    let report = Report { program, set, depth };
    let mut checked = |operation: &str, micros: f64, result: &Encrypted, expected: &[f64], scratch: &mut Scratch| {
        report.line(operation, micros, Some(precision_bits(&decrypt(result, scratch), expected)));
    };
    let micros = median_micros(|| encrypt(&mut ciphertext, &mut scratch));
    checked("encrypt symmetrically", micros, &ciphertext, &values, &mut scratch);
    let micros = median_micros(|| {
        module.ckks_rotate_into(1, &mut out, &ciphertext, &keys, &mut scratch.borrow()).unwrap();
    });
    checked("rotate", micros, &out, &rotated, &mut scratch);
    let micros = median_micros(|| {
        let arena = &mut scratch.borrow();
        module.ckks_mul_into(&mut product, &ciphertext, &other, &relinearization, arena).unwrap();
    });
    checked("multiply, relinearize, rescale", micros, &product, &squares, &mut scratch);
    let micros = median_micros(|| {
        module.ckks_mul_pt_vec_into(&mut out, &ciphertext, &plaintext, &mut scratch.borrow()).unwrap();
    });
    checked("multiply by plaintext", micros, &out, &squares, &mut scratch);
    let micros = median_micros(|| decrypt(&ciphertext, &mut scratch));
    report.line("decrypt and decode", micros, Some(precision_bits(&decrypt(&ciphertext, &mut scratch), &values)));
    report.line("make one Galois key", median_micros(|| make_key(&mut scratch)), None);

    // What is seeded has the body alone and a seed; a ciphertext of zero has the size of any.
    let bytes = |operation: &str, written: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        written(&mut bytes);
        report.line(operation, bytes.len() as f64, None);
    };
    let mut seeded = module.glwe_compressed_alloc_from_infos(&layout(bits));
    let mut noise = Source::new([5; 32]);
    module.glwe_compressed_encrypt_zero_sk(&mut seeded, &secret, [6; 32], &mut noise, &mut scratch.borrow());
    let mut seeded_key = module.glwe_automorphism_key_compressed_alloc_from_infos(&galois_layout);
    let arena = &mut scratch.borrow();
    module.glwe_automorphism_key_compressed_encrypt_sk(&mut seeded_key, element, &raw, [7; 32], &mut noise, arena);
    let key = make_key(&mut scratch);
    bytes("bytes of a fresh ciphertext", &|bytes| ciphertext.write_to(bytes).unwrap());
    bytes("bytes of a fresh ciphertext, seeded", &|bytes| seeded.write_to(bytes).unwrap());
    bytes("bytes of one Galois key", &|bytes| key.write_to(bytes).unwrap());
    bytes("bytes of one Galois key, seeded", &|bytes| seeded_key.write_to(bytes).unwrap());
}
