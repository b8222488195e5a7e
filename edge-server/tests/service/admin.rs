//! What the operator sees.

use edge_server::Service;
use edge_server::testing::TestHost;
use http::{HeaderMap, Method, StatusCode};

use crate::api::{Api, infer};

async fn ask(service: &Service<TestHost>, path: &str) -> (StatusCode, String) {
    let answer = service.handle_admin(&Method::GET, path, &HeaderMap::new()).await;
    (answer.status(), String::from_utf8(answer.into_body().to_vec()).unwrap())
}

#[tokio::test]
async fn metrics_count_what_happened_and_name_no_caller() {
    let api = Api::new();
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    for _ in 0..2 {
        api.post("/infer", &body).await;
    }
    api.run_jobs().await;
    let waiting = api.post("/infer", &body).await;
    api.get("/jobs/secret-path").await;
    api.get("/no-route-has-this").await;
    let (status, text) = ask(&api.service, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "edge_server_requests_total{operation=\"infer\",status=\"202\",code=\"\"} 3",
        "edge_server_requests_total{operation=\"readJob\",status=\"404\",code=\"UNKNOWN_JOB\"} 1",
        "edge_server_requests_total{operation=\"none\",status=\"404\",code=\"NOT_FOUND\"} 1",
        "edge_server_jobs_total{model=\"tiny\",version=\"1.0.0\",code=\"\"} 2",
        "edge_server_evaluation_seconds_count{model=\"tiny\",version=\"1.0.0\"} 2",
        "edge_server_jobs_waiting 1",
        "edge_server_key_cache_total{event=\"hit\"} 1",
        "edge_server_key_cache_total{event=\"miss\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for layer in ["000 linear_transform", "001 multiply"] {
        assert!(
            text.contains(&format!(
                "edge_server_layer_seconds_total{{model=\"tiny\",version=\"1.0.0\",layer=\"{layer}\"}}"
            )),
            "{text}"
        );
    }
    assert!(text.ends_with("# EOF\n"));
    for private in ["secret-path", "no-route-has-this", &key_id, waiting.text("/job_id")] {
        assert!(!text.contains(private), "{private}");
    }
}

#[tokio::test]
async fn the_page_tells_how_it_goes_and_nothing_else_is_there() {
    let api = Api::new();
    let (status, page) = ask(&api.service, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Jobs that wait<td>0 of 256") && page.contains("tiny 1.0.0"), "{page}");
    assert_eq!(ask(&api.service, "/ready").await.0, StatusCode::OK);
    assert_eq!(ask(&api.service, "/models").await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.get("/metrics").await.is_problem("NOT_FOUND").status, StatusCode::NOT_FOUND);
}
