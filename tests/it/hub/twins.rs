//! What a service may do to twins (3.3, 3.4).

use super::*;

async fn send(bench: &Bench, method: &'static str, etag: Option<&str>, body: &str) -> (u16, Value) {
    let headers = etag.iter().map(|etag| ("if-match", (*etag).to_owned())).collect();
    let answer = bench.request(Request { method, path: "/twins/d".into(), headers, body: body.into() }).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn an_etag_is_taken_quoted_unquoted_or_as_a_star_and_a_stale_one_is_refused() {
    let bench = Bench::start();
    bench.plain("PUT", "/devices/d", &[], json!({})).await;
    let patch = r#"{"tags":{"a":1,"b":1.0}}"#;
    for (etag, status) in [
        (None, 200),
        (Some("*"), 200),
        (Some("\"*\""), 200),
        (Some("\"AAAAAAAAAAQ=\""), 200),
        (Some("AAAAAAAAAAU="), 200),
        (Some("\"AAAAAAAAAAU=\""), 412),
        (Some("AAAAAAAAAAE="), 412),
    ] {
        let (answered, body) = send(&bench, "PATCH", etag, patch).await;
        assert_eq!(answered, status, "{etag:?}: {body}");
        assert!(status == 200 || body["Message"].as_str().unwrap().contains("PreconditionFailed"));
    }
    let (status, twin) = send(&bench, "PUT", Some("\"AAAAAAAAAAY=\""), r#"{"properties":{"desired":{"x":1}}}"#).await;
    assert_eq!((status, &twin["tags"], &twin["properties"]["desired"]["x"]), (200, &json!({}), &json!(1)));
    let text = bench.request(rest::get_twin("d")).await;
    let text = String::from_utf8_lossy(&text.body).into_owned();
    for absent in ["connectionStateUpdatedTime", "generationId", "deviceScope", "parentScopes", "modelId"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    assert!(text.contains(r#""capabilities":{"iotEdge":false}"#) && text.contains("0001-01-01T00:00:00Z"));
    assert_eq!(bench.request(rest::get_twin("e")).await.status, 404);
}

#[tokio::test]
async fn what_a_twin_may_not_hold_is_refused_and_changes_nothing() {
    let bench = Bench::start();
    bench.plain("PUT", "/devices/d", &[], json!({})).await;
    let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let desired = |document: &str| format!(r#"{{"tags":{{"t":1}},"properties":{{"desired":{document}}}}}"#);
    for document in [
        r#"{"a.b":1}"#.to_owned(),
        r#"{"a":{"$b":1}}"#.to_owned(),
        r#"{"a b":1}"#.to_owned(),
        r#"{"a":[1,null]}"#.to_owned(),
        r#"{"a":4503599627370496}"#.to_owned(),
        r#"{"a":18446744073709551616}"#.to_owned(),
        format!(r#"{{"a":"{}"}}"#, "x".repeat(4097)),
        format!("{{{}}}", (0..9).map(|n| format!(r#""{n}":"{}""#, "x".repeat(4000))).collect::<Vec<_>>().join(",")),
        deep(12),
        "3".to_owned(),
    ] {
        for method in ["PATCH", "PUT"] {
            let (status, error) = send(&bench, method, None, &desired(&document)).await;
            assert!(status == 400 && error["Message"].as_str().unwrap().contains("ArgumentInvalid"), "{error}");
        }
    }
    let (status, twin) = send(&bench, "PATCH", None, &desired(&deep(11))).await;
    assert_eq!((status, &twin["etag"]), (200, &json!("AAAAAAAAAAI=")), "the first that changed anything");
}
