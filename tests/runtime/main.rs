//! The built functions under the Lambda Runtime API.
