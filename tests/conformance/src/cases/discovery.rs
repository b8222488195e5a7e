//! Sections 4.1 to 4.3, 4.10 and 4.11: what is offered, and what there is not.

use ckks_client::ParameterSpec;
use ckks_core::{Ciphertext, Level, Params, ParamsSpec, SeededCiphertext};
use http::Method;
use serde_json::Value;

use crate::{
    case::{Case, Verdict, case, ensure},
    request::Sent,
    target::{Target, find, payload_of},
};

pub(crate) const CASES: &[Case] = &[
    case("4.1.1", "health", health),
    case("4.1.2", "health without a token", health_without_token),
    case("4.2.1", "members of 1.0 against those of 1.1", old_and_new_members_agree),
    case("4.2.2", "encryption_parameters against GET /keys", parameters_agree),
    case("4.2.3", "announced sizes", sizes_are_exact),
    case("4.3.1", "params_id computed anew", params_ids_are_hashes),
    case("4.3.2", "the table of security", sets_are_secure),
    case("4.3.3", "models under their sets", models_are_under_their_sets),
    case("4.10.1", "openapi.yaml and every schema that it names", contract_is_published),
    case("4.10.2", "a schema that there is not", unknown_schema),
    case("4.11.1", "HEAD", head),
    case("4.11.2", "OPTIONS", options),
    case("4.11.3", "methods that there are not", other_methods),
    case("4.11.4", "paths that there are not", other_paths),
];

fn health(target: &Target) -> Verdict {
    let answer = target.send(Sent::get("/health"))?;
    answer.expect_status(200)?;
    answer.expect_schema("health.schema.json")?;
    let version = answer.text("/api_version")?;
    ensure!(version.starts_with("1.") && version != "1.0", "api_version {version}");
    Ok(())
}

fn health_without_token(target: &Target) -> Verdict {
    target.send(Sent::get("/health").anonymous())?.expect_status(200)
}

fn old_and_new_members_agree(target: &Target) -> Verdict {
    for model in &target.discovered()?.models {
        let pairs = [
            ("/inference/input_dimension", "/input/dimension"),
            ("/inference/output_dimension", "/output/dimension"),
            ("/inference/activation", "/output/postprocessing"),
            ("/encryption_parameters/max_multiplicative_depth", "/input/level"),
        ];
        for (old, new) in pairs {
            let (old_value, new_value) = (model.pointer(old), model.pointer(new));
            ensure!(
                old_value.is_some() && old_value == new_value,
                "{}: {old} is {old_value:?}, {new} is {new_value:?}",
                model["model_id"]
            );
        }
    }
    Ok(())
}

fn parameters_agree(target: &Target) -> Verdict {
    for model in &target.discovered()?.models {
        let (name, set, published) =
            (&model["model_id"], target.set_of(model)?, &model["encryption_parameters"]);
        for member in ["poly_modulus_degree", "scale"] {
            ensure!(
                published[member] == set[member],
                "{name}: {member} is {} and {}",
                published[member],
                set[member]
            );
        }
        let groups = set["levels"].as_array().into_iter().flatten().filter_map(Value::as_array);
        let primes = groups.flatten().chain(set["special_primes"].as_array().into_iter().flatten());
        let bits: Vec<u64> = primes
            .filter_map(Value::as_u64)
            .map(|prime| u64::from(u64::BITS - prime.leading_zeros()))
            .collect();
        ensure!(
            published["coeff_modulus_bits"] == serde_json::json!(bits),
            "{name}: coeff_modulus_bits {} of primes of {bits:?}",
            published["coeff_modulus_bits"]
        );
    }
    Ok(())
}

fn spec_of(set: &Value) -> Result<(ParamsSpec, String), String> {
    let set: ParameterSpec = serde_json::from_value(set.clone()).map_err(|error| error.to_string())?;
    let ParameterSpec { params_id, log_degree, levels, special_primes, digit_primes, scale } = set;
    Ok((ParamsSpec { log_degree, levels, special_primes, digit_primes, scale }, params_id))
}

fn sizes_are_exact(target: &Target) -> Verdict {
    let client = target.client()?;
    let subject = target.subject()?;
    let keys: usize = client.keys.values().map(Vec::len).sum();
    ensure!(
        subject["evaluation_keys"]["bytes"] == keys,
        "keys: {} announced, {keys} made",
        subject["evaluation_keys"]["bytes"]
    );
    let job = target.infer(&target.inference()?)?;
    let result = payload_of(&job)?.len();
    ensure!(
        subject["sizes"]["result_bytes"] == result,
        "result: {} announced, {result} received",
        subject["sizes"]["result_bytes"]
    );
    for model in &target.discovered()?.models {
        let (spec, _) = spec_of(target.set_of(model)?)?;
        let params = Params::new(&spec).map_err(|error| error.to_string())?;
        let member = |name: &str| model["input"][name].as_u64().unwrap_or(0);
        let level = Level(u8::try_from(member("level")).unwrap_or(u8::MAX));
        let bytes = member("ciphertexts") * SeededCiphertext::encoded_len(&params, level) as u64;
        ensure!(
            model["sizes"]["request_bytes"] == bytes,
            "{}: request: {} announced, {bytes} computed",
            model["model_id"],
            model["sizes"]["request_bytes"]
        );
        let whole = Ciphertext::encoded_len(&params, level) as u64;
        let limit = model["constraints"]["max_request_bytes"].as_u64().unwrap_or(0);
        ensure!(
            limit >= member("ciphertexts") * 2 * whole,
            "{}: max_request_bytes {limit} is too small for hexadecimal",
            model["model_id"]
        );
    }
    Ok(())
}

fn params_ids_are_hashes(target: &Target) -> Verdict {
    for set in &target.discovered()?.sets {
        let (spec, published) = spec_of(set)?;
        let params = Params::new(&spec).map_err(|error| format!("{published}: {error}"))?;
        ensure!(params.id().to_string() == published, "{published} hashes to {}", params.id());
    }
    Ok(())
}

fn sets_are_secure(target: &Target) -> Verdict {
    for set in &target.discovered()?.sets {
        let (spec, id) = spec_of(set)?;
        let primes = spec.levels.iter().flatten().chain(&spec.special_primes);
        let log_qp: f64 = primes.map(|&prime| f64::from(prime).log2()).sum();
        let most = match spec.log_degree {
            12 => 106.0,
            13 => 214.0,
            14 => 430.0,
            15 => 868.0,
            16 => 1747.0,
            other => return Err(format!("{id}: no entry for N = 2^{other}")),
        };
        ensure!(log_qp <= most, "{id}: log2(QP) is {log_qp:.2}, above {most}");
        let security = &set["security"];
        let said = [&security["log_qp"], &security["max_log_qp"]].map(|value| value.as_f64().unwrap_or(0.0));
        ensure!(
            security["bits"] == 128 && (said[0] - log_qp).abs() < 0.01 && said[1] == most,
            "{id}: security says {security}, log2(QP) is {log_qp:.2}"
        );
    }
    Ok(())
}

fn models_are_under_their_sets(target: &Target) -> Verdict {
    let discovered = target.discovered()?;
    for model in &discovered.models {
        let is_this =
            |entry: &Value| entry["model_id"] == model["model_id"] && entry["version"] == model["version"];
        let holds = |set: &&Value| set["models"].as_array().is_some_and(|models| models.iter().any(is_this));
        let ids: Vec<&Value> = discovered.sets.iter().filter(holds).map(|set| &set["params_id"]).collect();
        let own = &model["encryption_parameters"]["params_id"];
        ensure!(ids == [own], "{}: of {own}, listed under {ids:?}", model["model_id"]);
    }
    let listed: usize = discovered.sets.iter().filter_map(|set| set["models"].as_array()).map(Vec::len).sum();
    ensure!(
        listed == discovered.models.len(),
        "{listed} models under sets, {} in GET /models",
        discovered.models.len()
    );
    ensure!(
        discovered
            .models
            .iter()
            .all(|model| find(&discovered.models, "model_id", &model["model_id"]).is_some()),
        "no models"
    );
    Ok(())
}

fn contract_is_published(target: &Target) -> Verdict {
    let answer = target.send(Sent::get("/openapi.yaml").anonymous())?;
    answer.expect_status(200)?;
    ensure!(
        answer.header("content-type") == "application/yaml",
        "openapi.yaml is {}",
        answer.header("content-type")
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(text.starts_with("openapi: 3.1"), "openapi.yaml starts with {:?}", text.lines().next());
    let mut files: Vec<&str> = text
        .match_indices("./schemas/")
        .filter_map(|(at, prefix)| text[at + prefix.len()..].split([' ', '"', '#', '}', '\n']).next())
        .collect();
    files.sort_unstable();
    files.dedup();
    ensure!(files.len() > 5, "openapi.yaml refers to {files:?}");
    for file in files {
        let schema = target.send(Sent::get(format!("/schemas/{file}")).anonymous())?;
        schema.expect_status(200)?;
        let tree: Value = serde_json::from_slice(&schema.body).map_err(|error| format!("{file}: {error}"))?;
        ensure!(
            tree["$id"].as_str().is_some_and(|id| id.ends_with(file)),
            "{file} has the $id {}",
            tree["$id"]
        );
    }
    Ok(())
}

fn unknown_schema(target: &Target) -> Verdict {
    for file in ["none.schema.json", "..", "models"] {
        target.send(Sent::get(format!("/schemas/{file}")))?.expect_problem("NOT_FOUND")?;
    }
    Ok(())
}

fn head(target: &Target) -> Verdict {
    for path in ["/health", "/models", "/keys"] {
        let (get, head) = (target.send(Sent::get(path))?, target.send(Sent::new(Method::HEAD, path))?);
        head.expect_status(get.status)?;
        ensure!(head.body.is_empty(), "HEAD {path} has a body");
        for name in ["content-type", "etag", "cache-control"] {
            ensure!(
                head.header(name) == get.header(name),
                "HEAD {path}: {name} is {:?}, GET has {:?}",
                head.header(name),
                get.header(name)
            );
        }
    }
    Ok(())
}

/// The methods of a header, sorted.
fn methods(text: &str) -> Vec<String> {
    let mut methods: Vec<String> = text.split(',').map(|method| method.trim().to_owned()).collect();
    methods.sort();
    methods
}

const PATHS: [(&str, &str); 5] = [
    ("/models", "GET, HEAD, OPTIONS"),
    ("/keys", "GET, HEAD, OPTIONS, POST"),
    ("/infer", "OPTIONS, POST"),
    ("/keys/x/relinearization", "OPTIONS, PUT"),
    ("/openapi.yaml", "GET, HEAD, OPTIONS"),
];

/// Demands at least the methods of this version.
fn expect_methods(name: &str, found: &str, wanted: &str) -> Verdict {
    let found = methods(found);
    ensure!(
        methods(wanted).iter().all(|method| found.contains(method)),
        "{name}: Allow is {found:?}, expected {wanted}"
    );
    Ok(())
}

fn options(target: &Target) -> Verdict {
    for (path, wanted) in PATHS {
        let answer = target.send(Sent::new(Method::OPTIONS, path))?;
        answer.expect_status(204)?;
        expect_methods(&answer.name, answer.header("allow"), wanted)?;
    }
    Ok(())
}

fn other_methods(target: &Target) -> Verdict {
    for (path, wanted) in PATHS {
        for method in [Method::PATCH, Method::TRACE] {
            let answer = target.send(Sent::new(method, path))?;
            answer.expect_problem("METHOD_NOT_ALLOWED")?;
            expect_methods(&answer.name, answer.header("allow"), wanted)?;
        }
    }
    target.send(Sent::get("/infer"))?.expect_problem("METHOD_NOT_ALLOWED")
}

fn other_paths(target: &Target) -> Verdict {
    for path in
        ["/models/", "/Models", "/infer/x", "/keys//relinearization", "/keys/a/b/c", "/jobs/", "/model"]
    {
        target.send(Sent::get(path))?.expect_status(404)?;
    }
    Ok(())
}
