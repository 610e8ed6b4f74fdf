#include "sim/node.h"

int main(int argc, char *argv[])
{
	return node_run(argc, argv);
}
