//! Files of `x-rolecall.host.files` that the project does not have.

use super::Subject;
use crate::{
    compose::{Diagnostic, nearest},
    manifest::findings::Findings,
};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let (Some(project), Some(files)) = (subject.project, subject.files) else { return };
    for (index, file) in subject.extension.host.files.iter().enumerate() {
        let path = file.path.as_str();
        if files.has_file(path) {
            continue;
        }
        let index = index.to_string();
        let at = project.position(&["x-rolecall", "host", "files", &index, "path"]);
        let shown = format!("x-rolecall.host.files[{index}].path");
        if files.has(path) {
            let fault = Diagnostic::new(at, shown, format!("'{path}' is a folder of the project"));
            findings.fault(fault.help("name each of its files"));
            continue;
        }
        let near = nearest(path, files.paths()).map(|near| format!(", did you mean '{near}'?")).unwrap_or_default();
        findings.fault(Diagnostic::new(at, shown, format!("'{path}' does not exist in the project{near}")));
    }
}
