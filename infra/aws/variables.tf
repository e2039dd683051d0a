# Everything that can be chosen. What makes no sense is refused at plan, in a sentence. There is deliberately no way to
# pass an environment variable of one's own: endpoint overrides are for tests, and would send secrets elsewhere.

variable "name" {
  description = "What the names of everything begin with, and the name of the table unless table_name says another. It cannot be changed without losing the table."
  type        = string
  default     = "mayfly"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "The name must have 3 to 32 lower-case letters, digits and hyphens, begin with a letter, and not end in a hyphen."
  }
}

variable "table_name" {
  description = "Name of the table, if it is not that of the vault: of one that was restored from a backup, which always has a new name. It cannot be changed without another table."
  type        = string
  default     = null

  validation {
    condition     = var.table_name == null ? true : can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "The table_name must have 3 to 255 letters, digits, hyphens, underscores and dots, as DynamoDB takes them."
  }
}

variable "replica_of" {
  description = "ARN of the vault's key in the region that it is moved away from: the key here is then a replica of that one, so that what it wrapped opens. It cannot be changed without losing the table."
  type        = string
  default     = null

  validation {
    condition     = var.replica_of == null ? true : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/mrk-[0-9a-f-]+$", var.replica_of))
    error_message = "The replica_of must be the ARN of a multi-Region key, whose id begins with mrk-."
  }
}

variable "architecture" {
  description = "What the functions run on, arm64 or x86_64; the packages must be built for it."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture must be arm64 or x86_64."
  }
}

variable "packages" {
  description = "Directory that holds {function}/bootstrap.zip for each function; null is target/lambda of this repository."
  type        = string
  default     = null
}

variable "memory" {
  description = "Memory of each function in MB, which also decides its share of a CPU. token has more because it hashes passwords."
  type = object({
    access       = optional(number, 256)
    crud         = optional(number, 256)
    dynamic-read = optional(number, 256)
    lease-worker = optional(number, 256)
    token        = optional(number, 512)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for mb in values(var.memory) : mb >= 128 && mb <= 10240 && floor(mb) == mb])
    error_message = "Memory must be a whole number of MB from 128 to 10240."
  }
  validation {
    condition     = var.memory.dynamic-read >= 256
    error_message = "Memory of dynamic-read must be at least 256 MB, the least that its times and costs were measured with."
  }
  validation {
    condition     = var.memory.lease-worker >= 256
    error_message = "Memory of lease-worker must be at least 256 MB: it takes back many leases beside each other."
  }
  validation {
    condition     = var.memory.token >= 256
    error_message = "Memory of token must be at least 256 MB: checking a password may take half of that."
  }
}

variable "timeouts" {
  description = "Timeout of each function in seconds. The gateway waits 30 s for an answer, and dynamic-read plans for 28 of them."
  type = object({
    access       = optional(number, 15)
    crud         = optional(number, 15)
    dynamic-read = optional(number, 30)
    lease-worker = optional(number, 120)
    token        = optional(number, 15)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for seconds in values(var.timeouts) : floor(seconds) == seconds])
    error_message = "A timeout must be a whole number of seconds."
  }
  validation {
    condition     = alltrue([for function in ["access", "crud", "token"] : var.timeouts[function] >= 5 && var.timeouts[function] <= 30])
    error_message = "The timeouts of access, crud and token must be from 5 to 30 seconds: the gateway waits no longer than 30."
  }
  validation {
    condition     = var.timeouts.dynamic-read >= 28 && var.timeouts.dynamic-read <= 30
    error_message = "The timeout of dynamic-read must be from 28 to 30 seconds: a read takes up to 28, and the gateway waits no longer than 30."
  }
  validation {
    condition     = var.timeouts.lease-worker >= 60 && var.timeouts.lease-worker <= 900
    error_message = "The timeout of lease-worker must be from 60 to 900 seconds: it is woken once a minute."
  }
}

variable "log_level" {
  description = "The least important of Mayfly's own log lines that is written: error, warn, info, debug or trace. Metrics are written at every level."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "The log level must be error, warn, info, debug or trace."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, in days. The audit is not in the logs but in the table."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "Log retention must be a number of days that CloudWatch takes: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "throttling" {
  description = "Requests a second, and at once, that the gateway lets through: of each route, and of those where a credential can be guessed."
  type = object({
    rate        = optional(number, 200)
    burst       = optional(number, 400)
    token_rate  = optional(number, 50)
    token_burst = optional(number, 100)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for limit in values(var.throttling) : limit > 0])
    error_message = "Throttling must be above zero everywhere: the gateway would let nothing through."
  }
  validation {
    condition     = floor(var.throttling.burst) == var.throttling.burst && floor(var.throttling.token_burst) == var.throttling.token_burst
    error_message = "A burst must be a whole number of requests."
  }
}

variable "token_concurrency" {
  description = "How many instances of token may run at once, kept free for it, so that neither signing in nor the rest can starve the other; -1 keeps none. AWS refuses what would leave the account fewer than 100, so a new account may need -1."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.token_concurrency == -1 || (var.token_concurrency >= 1 && floor(var.token_concurrency) == var.token_concurrency)
    error_message = "The concurrency of token must be a whole number from 1, or -1 for none of its own: with 0 nobody could sign in."
  }
}

variable "direct_invokers" {
  description = "Who may invoke dynamic-read without the gateway: from alias to the principal that its invocations act as (roles:… or users:…), and the ARNs of the IAM roles or users that may invoke it."
  type = map(object({
    principal    = string
    invoker_arns = list(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for alias in keys(var.direct_invokers) : can(regex("^[a-z][a-z0-9_-]{0,63}$", alias))])
    error_message = "An alias must begin with a lower-case letter and hold only lower-case letters, digits, hyphens and underscores, at most 64."
  }
  validation {
    condition     = !contains(keys(var.direct_invokers), "live")
    error_message = "The alias live is the gateway's own; choose another name."
  }
  validation {
    condition = alltrue([
      for invoker in values(var.direct_invokers) :
      can(regex("^(roles|users):[A-Za-z0-9@._+-]([A-Za-z0-9@._+ -]{0,126}[A-Za-z0-9@._+-])?$", invoker.principal))
    ])
    error_message = "A principal of direct_invokers must be roles:{name} or users:{name}."
  }
  validation {
    condition = alltrue([
      for arn in flatten([for invoker in values(var.direct_invokers) : invoker.invoker_arns]) :
      can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+$", arn))
    ])
    error_message = "An invoker must be the whole ARN of one IAM role or user, without wildcards."
  }
  validation {
    condition     = alltrue([for invoker in values(var.direct_invokers) : length(invoker.invoker_arns) > 0])
    error_message = "Each alias of direct_invokers needs at least one invoker."
  }
}

variable "assumable_role_arns" {
  description = "ARNs of the IAM roles that base secrets without a key may assume with the identity of dynamic-read; none by default."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.assumable_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", arn))])
    error_message = "Each of assumable_role_arns must be the whole ARN of one IAM role, without wildcards."
  }
  validation {
    condition     = length(distinct(var.assumable_role_arns)) == length(var.assumable_role_arns)
    error_message = "An ARN must not be in assumable_role_arns twice."
  }
}

variable "setup_code" {
  description = "Lets whoever has it make the first admin by POST /v1/initialize; null, the default, closes that route. Make it of 24 or more random characters, and take it away afterwards. It is kept in Terraform's state."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.setup_code == null ? true : length(var.setup_code) >= 24
    error_message = "The setup code must have at least 24 random characters: who guesses it becomes the admin."
  }
}

variable "domain" {
  description = "A domain of one's own: its name, such as vault.example.com, the ARN of its certificate in this region's ACM, and, for a record in Route 53, the id of the zone. Clients that ask for tenant and domain take the first label as the tenant. The gateway's own address is then closed."
  type = object({
    name            = string
    certificate_arn = optional(string)
    zone_id         = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.){2,}[a-z]{2,63}$", var.domain.name))
    error_message = "The name of the domain must be a whole host name in lower case, such as vault.example.com."
  }
  validation {
    condition     = var.domain == null ? true : var.domain.certificate_arn != null
    error_message = "A domain needs a certificate: set certificate_arn to one of this region's ACM."
  }
  validation {
    condition     = try(var.domain.certificate_arn, null) == null ? true : can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$", var.domain.certificate_arn))
    error_message = "The certificate_arn of the domain must be the ARN of a certificate in ACM."
  }
  validation {
    condition     = try(var.domain.zone_id, null) == null ? true : can(regex("^Z[A-Z0-9]+$", var.domain.zone_id))
    error_message = "The zone_id of the domain must be the id of a hosted zone in Route 53, such as Z0123456789ABC."
  }
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms are sent to; null sends them nowhere, but they are there to be seen."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn == null ? true : can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$", var.alarm_topic_arn))
    error_message = "The alarm_topic_arn must be the ARN of an SNS topic; CloudWatch cannot send to one that is FIFO."
  }
}

variable "alarm_thresholds" {
  description = "Above how many in five minutes there is an alarm: failed invocations and refused ones of each function, and answers of the gateway that are its or our fault."
  type = object({
    errors    = optional(number, 5)
    throttles = optional(number, 5)
    api_5xx   = optional(number, 5)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for threshold in values(var.alarm_thresholds) : threshold >= 0])
    error_message = "An alarm threshold must not be negative: the alarm would never end."
  }
}

variable "stopped" {
  description = "Whether no function runs but token: for the time between a restore and the moment when all tokens are void."
  type        = bool
  default     = false
  nullable    = false
}

variable "protect_data" {
  description = "Whether the table and its key are kept from being deleted. To destroy them, apply with false first, then destroy."
  type        = bool
  default     = true
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds every role that is made here; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null ? true : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$", var.permissions_boundary_arn))
    error_message = "The permissions_boundary_arn must be the ARN of an IAM policy."
  }
}

variable "tags" {
  description = "Tags of everything that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "A tag must not begin with aws:, which AWS keeps for itself."
  }
}
