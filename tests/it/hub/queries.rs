//! Queries over all partitions, page by page.

use serde_json::{Value, json};
use twinstorm::dialect::azure::rest;

use super::Bench;

impl Bench {
    /// All rows of a query, read in pages, with how many rows each page had and what its items are.
    pub(super) async fn pages(&self, text: &str, size: usize) -> (Vec<Value>, Vec<usize>, String) {
        let token = self.token("", Some("iothubowner"), &self.identity.owner().primary);
        let (mut rows, mut sizes, mut continuation) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let (headers, page) = self.send(&token, rest::query(text, size, continuation.as_deref())).await;
            assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(&page.body));
            let items: Vec<Value> = serde_json::from_slice(&page.body).unwrap();
            sizes.push(items.len());
            rows.extend(items);
            continuation = page.continuation;
            if continuation.is_none() {
                return (rows, sizes, headers[rest::ITEM_TYPE].to_str().unwrap().to_owned());
            }
        }
    }

    /// Registers `count` devices `d00`, `d01`, ... whose tag `site` goes round `a`, `b`, `c`, and whose tag `n` counts;
    /// with derived keys.
    pub(super) async fn register(&self, count: usize) {
        for n in 0..count {
            let id = format!("d{n:02}");
            let key = self.identity.fleet_key.derive(&id).to_base64();
            let keys = json!({"symmetricKey": {"primaryKey": key, "secondaryKey": key}});
            let identity = json!({"authentication": keys});
            assert_eq!(self.plain("PUT", &format!("/devices/{id}"), &[], identity).await.status, 200);
            let site = ["a", "b", "c"][n % 3];
            let twin = self.plain("PATCH", &format!("/twins/{id}"), &[], json!({"tags": {"site": site, "n": n}})).await;
            assert_eq!(twin.status, 200);
        }
    }
}

#[tokio::test]
async fn answers_come_in_pages_and_groups_over_all_partitions() {
    let bench = Bench::start();
    bench.register(10).await;
    let (rows, sizes, kind) = bench.pages("SELECT TOP 7 * FROM devices WHERE tags.n % 10 < 9", 3).await;
    let ids: Vec<&str> = rows.iter().map(|row| row["deviceId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["d00", "d01", "d02", "d03", "d04", "d05", "d06"], "TOP counts over all pages");
    assert_eq!((sizes, kind.as_str()), (vec![3, 3, 1], "Twin"));
    let (_, sizes, _) = bench.pages("SELECT TOP 6 deviceId FROM devices", 3).await;
    assert_eq!(sizes, [3, 3], "no empty page follows");
    let (_, sizes, _) = bench.pages("SELECT * FROM devices", 5).await;
    assert_eq!(sizes, [5, 5]);

    let text = "SELECT tags.site, COUNT() AS n, SUM(tags.n) AS sum, AVG(tags.n) AS avg, MIN(tags.n) AS min, \
                MAX(tags.n) AS max FROM devices WHERE STARTSWITH(deviceId, 'd') GROUP BY tags.site";
    let expected = [
        json!({"site": "a", "n": 4, "sum": 18, "avg": 4.5, "min": 0, "max": 9}),
        json!({"site": "b", "n": 3, "sum": 12, "avg": 4, "min": 1, "max": 7}),
        json!({"site": "c", "n": 3, "sum": 15, "avg": 5, "min": 2, "max": 8}),
    ];
    for (size, sizes) in [(100, vec![3]), (3, vec![3]), (2, vec![2, 1])] {
        let (rows, found, kind) = bench.pages(text, size).await;
        assert_eq!((rows.as_slice(), found, kind.as_str()), (&expected[..], sizes, "Raw"));
    }
    let (rows, _, kind) = bench.pages("SELECT * FROM devices.modules", 9).await;
    assert_eq!((rows.len(), kind.as_str()), (0, "Twin"));
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_with_its_place() {
    let bench = Bench::start();
    for (text, word) in [
        ("SELECT * FROM devices ORDER BY deviceId", "at position 23"),
        ("SELECT * FROM devices WHERE CONTAINS(deviceId, 'x')", "STARTSWITH"),
    ] {
        let answer = bench.request(rest::query(text, 9, None)).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status == 400 && body.contains("ErrorCode:ArgumentInvalid") && body.contains(word), "{body}");
    }
    for size in [0, 1001] {
        assert_eq!(bench.request(rest::query("SELECT * FROM devices", size, None)).await.status, 400);
    }
    let strange = bench.request(rest::query("SELECT * FROM devices", 9, Some("strange"))).await;
    assert_eq!(strange.status, 400);
}
