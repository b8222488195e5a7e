//! The routes, as data: `openapi.yaml` is checked against this table.

use http::Method;

use crate::problem::{Code, Problem};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Is the service alive?
    Health,
    /// Is it ready for requests?
    Ready,
    /// Which models are there?
    ListModels,
    /// Which parameter sets are there?
    ListParameterSets,
    /// Open a set of evaluation keys.
    OpenKeySet,
    /// What does the set hold, what is missing?
    ReadKeySet,
    /// Forget the set.
    DeleteKeySet,
    /// Upload one key of the set.
    PutKey,
    /// Evaluate a model.
    Infer,
    /// How far is the job?
    ReadJob,
    /// Cancel the job, forget its result.
    DeleteJob,
    /// What may the caller do, and what has it?
    ReadLimits,
    /// The description of this interface.
    ReadOpenApi,
    /// One of the published schemas.
    ReadSchema,
}

impl Operation {
    /// Its name: the `operationId` of `openapi.yaml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Ready => "ready",
            Self::ListModels => "listModels",
            Self::ListParameterSets => "listParameterSets",
            Self::OpenKeySet => "openKeySet",
            Self::ReadKeySet => "readKeySet",
            Self::DeleteKeySet => "deleteKeySet",
            Self::PutKey => "putKey",
            Self::Infer => "infer",
            Self::ReadJob => "readJob",
            Self::DeleteJob => "deleteJob",
            Self::ReadLimits => "readLimits",
            Self::ReadOpenApi => "readOpenApi",
            Self::ReadSchema => "readSchema",
        }
    }

    /// The method and the path of its route.
    pub(crate) fn route(self) -> Option<(&'static str, &'static str)> {
        let entry = ROUTES.iter().find(|entry| entry.operation == self)?;
        Some((entry.method.as_str(), entry.path))
    }
}

/// One route.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// The method.
    pub method: Method,
    /// The path; segments in braces are parameters.
    pub path: &'static str,
    /// What it does.
    pub operation: Operation,
}

const fn entry(method: Method, path: &'static str, operation: Operation) -> RouteEntry {
    RouteEntry { method, path, operation }
}

/// All routes.
pub const ROUTES: &[RouteEntry] = &[
    entry(Method::GET, "/health", Operation::Health),
    entry(Method::GET, "/ready", Operation::Ready),
    entry(Method::GET, "/models", Operation::ListModels),
    entry(Method::GET, "/keys", Operation::ListParameterSets),
    entry(Method::POST, "/keys", Operation::OpenKeySet),
    entry(Method::GET, "/keys/{key_id}", Operation::ReadKeySet),
    entry(Method::DELETE, "/keys/{key_id}", Operation::DeleteKeySet),
    entry(Method::PUT, "/keys/{key_id}/{name}", Operation::PutKey),
    entry(Method::POST, "/infer", Operation::Infer),
    entry(Method::GET, "/jobs/{job_id}", Operation::ReadJob),
    entry(Method::DELETE, "/jobs/{job_id}", Operation::DeleteJob),
    entry(Method::GET, "/limits", Operation::ReadLimits),
    entry(Method::GET, "/openapi.yaml", Operation::ReadOpenApi),
    entry(Method::GET, "/schemas/{file}", Operation::ReadSchema),
];

/// A request's path and method, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// An operation with the parameters of its path, in order.
    Operation(Operation, Vec<&'a str>),
    /// `OPTIONS` on a path that exists: the methods it has.
    Options(String),
}

/// Tells whether a path belongs to the service, whatever the method.
#[must_use]
pub fn is_route(path: &str) -> bool {
    ROUTES.iter().any(|entry| parameters(entry.path, path).is_some())
}

/// The pattern that a path matches.
#[cfg(feature = "testing")]
pub(crate) fn pattern_of(path: &str) -> Option<&'static str> {
    ROUTES.iter().map(|entry| entry.path).find(|pattern| parameters(pattern, path).is_some())
}

/// Finds the route of a request.
pub(crate) fn resolve<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, Problem> {
    let matching: Vec<(&RouteEntry, Vec<&str>)> =
        ROUTES.iter().filter_map(|entry| Some((entry, parameters(entry.path, path)?))).collect();
    if matching.is_empty() {
        return Err(Problem::new(Code::NotFound, "There is nothing at this path."));
    }
    // HEAD is GET without the body, which the host leaves out.
    let wanted = if *method == Method::HEAD { Method::GET } else { method.clone() };
    if let Some((entry, parameters)) = matching.iter().find(|(entry, _)| entry.method == wanted) {
        return Ok(Route::Operation(entry.operation, parameters.clone()));
    }
    let mut allow: Vec<&str> = Vec::new();
    for (entry, _) in &matching {
        allow.push(entry.method.as_str());
        if entry.method == Method::GET {
            allow.push("HEAD");
        }
    }
    allow.push("OPTIONS");
    if *method == Method::OPTIONS {
        return Ok(Route::Options(allow.join(", ")));
    }
    Err(Problem::new(Code::MethodNotAllowed, "The path exists, but not with this method.")
        .expected(allow.clone())
        .found(method.as_str().chars().take(32).collect::<String>())
        .allow(allow.join(", ")))
}

/// Matches a path against a pattern and returns its parameters.
fn parameters<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(parameters),
            (Some(want), Some(segment)) if want.starts_with('{') && !segment.is_empty() => {
                parameters.push(segment)
            }
            (Some(want), Some(segment)) if want == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_operations_with_their_parameters() {
        let resolved = resolve(&Method::PUT, "/keys/abc/galois-5").expect("a route");
        assert_eq!(resolved, Route::Operation(Operation::PutKey, vec!["abc", "galois-5"]));
        let head = resolve(&Method::HEAD, "/models").expect("a route");
        assert_eq!(head, Route::Operation(Operation::ListModels, vec![]));
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for path in
            ["", "/", "/model", "/models/", "//models", "/keys//galois-5", "/keys/a/b/c", "/jobs/", "/HEALTH"]
        {
            assert_eq!(resolve(&Method::GET, path).expect_err(path).code(), Code::NotFound);
            assert!(!is_route(path));
        }
    }

    #[test]
    fn wrong_methods_list_the_right_ones() {
        let problem = resolve(&Method::PATCH, "/keys").expect_err("no such method");
        assert_eq!(problem.code(), Code::MethodNotAllowed);
        let (_, allow) = problem.headers().next().expect("Allow");
        assert_eq!(allow, "GET, HEAD, POST, OPTIONS");
        assert_eq!(
            resolve(&Method::OPTIONS, "/infer").expect("preflight"),
            Route::Options("POST, OPTIONS".to_owned())
        );
    }
}
