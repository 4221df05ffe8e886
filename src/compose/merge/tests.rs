use super::*;
use crate::compose::model::to_json;
use crate::compose::yaml;
use std::path::Path;
use std::sync::Arc;

fn tree(text: &str) -> Node {
    yaml::parse(&Arc::from(Path::new("c.yaml")), text.as_bytes(), yaml::Budget::default()).unwrap().unwrap()
}

fn merged(base: &str, over: &str) -> String {
    let (mut base, mut over) = (tree(&format!("services: {{a: {base}}}")), tree(&format!("services: {{a: {over}}}")));
    Resets::take(&mut over).apply(&mut base);
    let mut node = project(base, over).unwrap();
    enforce_unique(&mut node).unwrap();
    to_json(node.at(["services", "a"]).unwrap()).to_string()
}

#[test]
fn each_attribute_has_its_rule() {
    for (base, over, want) in [
        ("{image: x, user: u}", "{image: y}", r#"{"image":"y","user":"u"}"#),
        ("{command: [a]}", "{command: b c}", r#"{"command":"b c"}"#),
        ("{environment: {B: 1, A: 2}}", "{environment: [B=3, C]}", r#"{"environment":["A=2","B=3","C"]}"#),
        ("{ports: ['80:80']}", "{ports: ['80:80', '81:81']}", r#"{"ports":["80:80","81:81"]}"#),
        ("{volumes: ['vol:/x', '/a:/b']}", "{volumes: ['new:/x']}", r#"{"volumes":["new:/x","/a:/b"]}"#),
        (
            "{depends_on: [b]}",
            "{depends_on: {c: {condition: service_healthy}}}",
            r#"{"depends_on":{"b":{"condition":"service_started","required":true},"c":{"condition":"service_healthy"}}}"#,
        ),
        ("{build: ./dir}", "{build: {target: t}}", r#"{"build":{"context":"./dir","target":"t"}}"#),
        ("{logging: {driver: a, options: {x: 1}}}", "{logging: {driver: b}}", r#"{"logging":{"driver":"b"}}"#),
        ("{networks: [n]}", "{networks: {m: {aliases: [z]}}}", r#"{"networks":{"m":{"aliases":["z"]},"n":null}}"#),
        ("{dns: 1.1.1.1}", "{dns: [8.8.8.8]}", r#"{"dns":["1.1.1.1","8.8.8.8"]}"#),
        ("{ports: ['80:80'], user: u}", "{ports: !override ['81:81'], user: !reset null}", r#"{"ports":["81:81"]}"#),
        ("{labels: {a: 1}}", "{labels: }", r#"{"labels":["a=1"]}"#),
    ] {
        let want: serde_json::Value = serde_json::from_str(want).unwrap();
        let got: serde_json::Value = serde_json::from_str(&merged(base, over)).unwrap();
        assert_eq!(got, want, "{base} + {over}");
    }
}

#[test]
fn kinds_that_do_not_fit_are_refused_at_the_later_place() {
    let error = project(tree("services: {a: {devices: [x]}}"), tree("services:\n  a:\n    devices: x\n")).unwrap_err();
    assert!(error.to_string().starts_with("c.yaml:3:14: services.a.devices: cannot override a list of c.yaml:1:"));
}

#[test]
fn pools_are_merged_by_subnet() {
    let base = tree("networks: {n: {ipam: {config: [{subnet: a, gateway: g}]}}}");
    let over = tree("networks: {n: {ipam: {config: [{subnet: a, ip_range: r}, {subnet: b}]}}}");
    let node = project(base, over).unwrap();
    let pools = node.at(["networks", "n", "ipam", "config"]).unwrap().as_seq().unwrap();
    assert_eq!(pools.len(), 2);
    assert_eq!(pools[0].as_map().unwrap().len(), 3);
}
