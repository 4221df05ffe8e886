use super::*;

const CALL: Call<'static> = Call {
    what: "read s3://bucket/key",
    need: "s3:GetObject on arn:aws:s3:::bucket/key",
    unreachable: Cause::SourceUnreachable,
    denied: Cause::SourceDenied,
    missing: Cause::SourceNotFound,
};

fn answer(status: u16, code: &str) -> Answer {
    Answer { status, code: Some(code.to_owned()).filter(|code| !code.is_empty()), ..Answer::default() }
}

/// Every class of error of S3, EC2, SSM, Secrets Manager and ECR.
#[test]
fn every_answer_has_its_class_and_cause() {
    use Cause::{CredentialsExpired as E, SourceDenied as D, SourceNotFound as N, SourceUnreachable as U};
    use Class::{Denied, Permanent, Throttled, Transient};
    for (status, code, class, cause) in [
        // S3
        (404, "NoSuchKey", Permanent, N),
        (404, "NoSuchBucket", Permanent, N),
        (404, "NoSuchVersion", Permanent, N),
        (404, "", Permanent, N),
        (403, "AccessDenied", Denied, D),
        (403, "", Denied, D),
        (403, "InvalidAccessKeyId", Denied, D),
        (403, "SignatureDoesNotMatch", Denied, D),
        (403, "InvalidObjectState", Permanent, U),
        (403, "RequestTimeTooSkewed", Transient, U),
        (400, "ExpiredToken", Transient, E),
        (400, "RequestTimeout", Transient, U),
        (400, "InvalidRequest", Permanent, U),
        (416, "InvalidRange", Permanent, U),
        (500, "InternalError", Transient, U),
        (502, "", Transient, U),
        (503, "SlowDown", Throttled, U),
        (503, "ServiceUnavailable", Transient, U),
        (429, "", Throttled, U),
        (301, "PermanentRedirect", Permanent, U),
        // EC2
        (503, "RequestLimitExceeded", Throttled, U),
        (400, "RequestLimitExceeded", Throttled, U),
        (403, "UnauthorizedOperation", Denied, D),
        (401, "AuthFailure", Denied, D),
        (400, "InvalidInstanceID.NotFound", Permanent, U),
        (500, "InternalFailure", Transient, U),
        // SSM, Secrets Manager, ECR
        (400, "ThrottlingException", Throttled, U),
        (400, "TooManyRequestsException", Throttled, U),
        (400, "ProvisionedThroughputExceededException", Throttled, U),
        (400, "ParameterNotFound", Permanent, N),
        (400, "ResourceNotFoundException", Permanent, N),
        (400, "AccessDeniedException", Denied, D),
        (400, "UnrecognizedClientException", Denied, D),
        (400, "ExpiredTokenException", Transient, E),
        (400, "ValidationException", Permanent, U),
    ] {
        let err = Failure::Answer(answer(status, code)).error(&CALL);
        assert_eq!((err.class, err.cause), (class, cause), "{status} {code}");
        assert!(err.message.starts_with("could not read s3://bucket/key: HTTP "), "{err}");
        assert_eq!(err.need.is_some(), class == Denied || cause == E, "{status} {code}");
    }
}

#[test]
fn what_is_no_answer_has_its_class_too() {
    let credentials = |class| Failure::Credentials { class, reason: "none".into() };
    for (failure, class, cause) in [
        (Failure::Io("reset".into()), Class::Transient, Cause::SourceUnreachable),
        (Failure::Other("nonsense".into()), Class::Permanent, Cause::SourceUnreachable),
        (credentials(Class::Transient), Class::Transient, Cause::CredentialsMissing),
        (credentials(Class::Denied), Class::Denied, Cause::CredentialsMissing),
        (credentials(Class::Permanent), Class::Permanent, Cause::CredentialsMissing),
    ] {
        let err = failure.error(&CALL);
        assert_eq!((err.class, err.cause), (class, cause), "{failure:?}");
    }
}

#[test]
fn an_answer_is_told_with_its_code_words_and_request() {
    let mut found = answer(503, "SlowDown");
    found.message = Some("Please reduce\nyour request rate.".into());
    found.request_id = Some("4442587FB7D0A2F9".into());
    found.retry_after = Some(Duration::from_secs(3));
    let err = Failure::Answer(found).error(&CALL);
    assert!(
        err.message.ends_with("HTTP 503 SlowDown: Please reduce your request rate (request 4442587FB7D0A2F9)"),
        "{err}"
    );
    assert_eq!((err.class, err.retry_after), (Class::Throttled, Some(Duration::from_secs(3))));
}

#[test]
fn a_refusal_by_a_service_of_another_time_is_of_the_clock() {
    for code in ["AuthFailure", "SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired"] {
        let err = Failure::Answer(Answer { skewed: true, ..answer(401, code) }).error(&CALL);
        assert_eq!((err.class, err.cause), (Class::Transient, Cause::SourceUnreachable), "{code}");
        assert!(err.to_string().contains("clock"), "{err}");
    }
    let skewed = Failure::Answer(answer(403, "RequestTimeTooSkewed")).error(&CALL);
    assert!(skewed.to_string().contains("clock"), "{skewed}");
    assert!(super::skewed("Fri, 20 Nov 2020 08:00:00 GMT") && !super::skewed("yesterday"));
    let now = DateTime::from(std::time::SystemTime::now()).fmt(Format::HttpDate).unwrap();
    assert!(!super::skewed(&now), "{now}");
}

#[test]
fn the_region_of_a_bucket_is_found_in_the_body_too() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>";
    assert_eq!(between(body, "<Region>", "</Region>").as_deref(), Some("eu-central-1"));
    assert_eq!(between("<Region>", "<Region>", "</Region>"), None);
}

#[test]
fn a_hook_that_does_not_wait_is_told_from_other_mistakes() {
    let told =
        |code: &str, message: &str| Answer { message: Some(message.to_owned()), ..answer(400, code) }.nothing_waits();
    assert!(told("ValidationError", "No active Lifecycle Action found with instance ID i-0abc"));
    assert!(!told("ValidationError", "AutoScalingGroup name not found - null"));
    assert!(!told("AccessDenied", "No active Lifecycle Action found with instance ID i-0abc"));
}
