data "aws_subnet" "first" {
  id = var.subnet_ids[0]
}

resource "aws_security_group" "role" {
  #checkov:skip=CKV2_AWS_5: module.role attaches both, which checkov does not follow through for_each
  for_each = local.roles

  name        = "shop-${each.key}"
  description = "What ${each.key} offers and needs"
  vpc_id      = data.aws_subnet.first.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id = aws_security_group.role["web"].id
  description       = "Clients or the load balancer"
  cidr_ipv4         = var.clients
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "out" {
  for_each = { for pair in setproduct(keys(local.roles), [80, 443]) : "${pair[0]}-${pair[1]}" => { role = pair[0], port = pair[1] } }

  security_group_id = aws_security_group.role[each.value.role].id
  description       = "AWS, registries and packages"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}
