//! What a load starts from: options, variables, files. Each expectation is what Docker Compose v2.40.3 gives.

use super::*;

/// The image of service `a`, which shows what variables were known; or the fault.
fn image(all: &[(&str, &str)], env: &[(&str, &str)], change: fn(&mut LoadOptions)) -> String {
    let mut options = with_env(env);
    change(&mut options);
    match load(&files(all), &options) {
        Ok(project) => project.services["a"].image.clone(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn variables_of_compose_itself_are_taken_from_the_first_files_of_variables() {
    let text = ("compose.yaml", "services: {a: {image: 'x$X$Y$Z'}}");
    let other = ("b.yaml", "services: {a: {image: 'b$X'}}");
    let (e1, e2) = (("e1", "X=1\nY=1\n"), ("e2", "X=2\nZ=$X\n"));
    for (own, env, want) in [
        ("X=dot", vec![], "xdot"),
        ("X=dot", vec![("COMPOSE_DISABLE_ENV_FILE", "1")], "x"),
        ("X=dot\nCOMPOSE_DISABLE_ENV_FILE=1", vec![], "x"),
        ("X=dot\nCOMPOSE_DISABLE_ENV_FILE=1", vec![("COMPOSE_DISABLE_ENV_FILE", "0")], "xdot"),
        ("X=dot", vec![("COMPOSE_DISABLE_ENV_FILE", "yes")], "COMPOSE_DISABLE_ENV_FILE must be true or false"),
        ("X=dot", vec![("COMPOSE_DISABLE_ENV_FILE", "")], "COMPOSE_DISABLE_ENV_FILE must be true or false"),
        ("X=dot", vec![("COMPOSE_ENV_FILES", "e1,e2")], "x212"),
        ("X=dot", vec![("COMPOSE_ENV_FILES", ",,")], "xdot"),
        ("X=dot\nCOMPOSE_ENV_FILES=e1,e2", vec![], "xdot"),
        ("X=dot\nCOMPOSE_FILE=b.yaml", vec![], "bdot"),
        ("X=dot\nCOMPOSE_FILE=b.yaml", vec![("COMPOSE_FILE", "compose.yaml")], "xdot"),
        ("X=dot\nCOMPOSE_FILE=b.yaml;compose.yaml\nCOMPOSE_PATH_SEPARATOR=;", vec![], "xdot"),
    ] {
        let got = image(&[text, other, e1, e2, (".env", own)], &env, |_| {});
        assert_eq!(got, want, "{own} {env:?}");
    }
    let empty = image(&[text, (".env", "COMPOSE_FILE=\n")], &[], |_| {});
    assert!(empty.contains("not found"), "{empty}");
    let several = image(&[text, e1, e2], &[], |options| options.env_files = vec!["e1".into(), "e2".into()]);
    assert_eq!(several, "x212");
}

#[test]
fn the_first_default_name_wins_whatever_it_is() {
    let a = "services: {a: {image: x}}";
    for (all, want) in [
        (vec![("compose.yml", a), ("docker-compose.yml", "services: {a: {image: old}}")], "x"),
        (vec![("compose.yaml/inside", ""), ("docker-compose.yml", a)], "file compose.yaml not found"),
        (vec![("compose.yaml", a), ("compose.override.yaml", "# nothing\n")], "x"),
        (vec![("compose.yaml", a), ("compose.override.yaml", "")], "x"),
        (vec![("compose.yaml", "")], "compose.yaml: the compose file is empty"),
        (vec![("compose.yaml", "{}")], "compose.yaml: the compose file is empty"),
        (vec![("compose.yaml", "version: '3'\ninclude: []\n")], "compose.yaml: the compose file is empty"),
        (vec![("compose.yaml", "null")], "compose.yaml:1:1: a compose file must be a mapping, found null"),
        (
            vec![("compose.yaml", a), ("compose.override.yaml", "services:\n")],
            "compose.override.yaml:1:9: services: expected a mapping, found null",
        ),
        (vec![("compose.yaml", "include: [b.yaml]\nservices: {a: {image: x}}"), ("b.yaml", "")], "x"),
    ] {
        assert_eq!(image(&all, &[], |_| {}), want, "{all:?}");
    }
}

#[test]
fn a_project_file_may_come_from_the_standard_input() {
    let mut all = files(&[(".env", "X=1"), ("sub/b.yaml", "services: {a: {build: .}}"), ("sub/.env", "X=2")]);
    all.insert(PathBuf::from(INPUT), b"services: {a: {image: 'x$X', build: .}}".to_vec());
    for (named, want, folder) in [(vec!["-"], "x1", "/p"), (vec!["-", "sub/b.yaml"], "x2", "/p/sub")] {
        let options = LoadOptions { files: named.iter().map(PathBuf::from).collect(), ..options() };
        let project = load(&all, &options).unwrap();
        let build = project.services["a"].build.as_ref().unwrap();
        assert_eq!((project.services["a"].image.as_str(), build.context.as_str()), (want, folder));
        assert_eq!(project.compose_files[0], Path::new(INPUT));
    }
    let rooted = LoadOptions { files: vec![INPUT.into()], root: Some("/p".into()), ..options() };
    assert!(load(&all, &rooted).unwrap_err().to_string().contains("outside of the project folder"));
}

#[test]
fn a_name_is_the_last_that_says_anything() {
    for (first, second, env, want) in [
        ("name: base", "name: null", "", "base"),
        ("name: base", "name: ''", "", "base"),
        ("name: base", "name: 'Other One'", "", "otherone"),
        ("name: '${N:-d}'", "", "", "d"),
        ("name: base", "", "env", "env"),
        ("", "", "", "p"),
        ("name: base", "", "Bad Name", "invalid project name 'Bad Name' of COMPOSE_PROJECT_NAME"),
        ("name: '$N'", "", "", "the project has no name"),
    ] {
        let all = files(&[
            ("compose.yaml", &format!("{first}\nservices: {{a: {{image: x}}}}")),
            ("compose.override.yaml", second),
        ]);
        let got = load(&all, &with_env(&[("COMPOSE_PROJECT_NAME", env)]));
        let got = got.map_or_else(|error| error.to_string(), |project| project.name);
        assert!(got.starts_with(want), "{first} {second} {env}: {got}");
    }
}

#[test]
fn included_projects_have_variables_and_folders_of_their_own() {
    let inner = ("sub/inc.yaml", "services: {a: {image: 'x$V$W', build: ., volumes: ['./d:/d']}}");
    let rest = [(".env", "V=top\n"), ("sub/.env", "V=sub\nW=w\n"), ("v.env", "V=v\nX=1\n"), ("w.env", "W=$X$V\nX=2\n")];
    for (include, want, folder) in [
        ("[sub/inc.yaml]", "xtopw", "/p/sub"),
        ("[{path: sub/inc.yaml, project_directory: .}]", "xtop", "/p"),
        ("[{path: sub/inc.yaml, env_file: [v.env, w.env]}]", "xtop1top", "/p/sub"),
        ("[{path: sub/inc.yaml, env_file: /p/none.env, x-note: y}]", "xtop", "/p/sub"),
        ("[{path: [sub/inc.yaml, sub/over.yaml]}]", "over", "/p/sub/ctx"),
    ] {
        let main = format!("include: {include}\n");
        let mut all = vec![("compose.yaml", main.as_str()), inner];
        all.push(("sub/over.yaml", "services: {a: {image: over, build: ctx}}"));
        all.push(("none.env", ""));
        all.extend(rest);
        let project = load(&files(&all), &options()).unwrap_or_else(|error| panic!("{include}: {error}"));
        let a = &project.services["a"];
        assert_eq!((a.image.as_str(), a.build.as_ref().unwrap().context.as_str()), (want, folder), "{include}");
    }
}
