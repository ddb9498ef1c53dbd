package app.likeness.runtime

/**
 * An object of the core that any number of threads use at the same time: an engine or an adapter.
 *
 * Closing never waits. The object counts who is inside, its owner as one of them; whoever leaves last frees it. So
 * no address is used after it was freed, and a picture that is being painted when its engine is closed is finished.
 */
internal class SharedHandle(private val address: Long, private val what: String, private val free: (Long) -> Unit) :
    AutoCloseable {
    private var users = 1
    private var closed = false

    /** @throws IllegalStateException after [close] */
    inline fun <T> use(block: (Long) -> T): T {
        val entered = enter()
        try {
            return block(entered)
        } finally {
            leave()
        }
    }

    override fun close() {
        synchronized(this) {
            if (closed) return
            closed = true
        }
        leave()
    }

    private fun enter(): Long = synchronized(this) {
        check(!closed) { "this $what is closed" }
        users++
        address
    }

    private fun leave() {
        val last = synchronized(this) { --users == 0 }
        if (last) free(address)
    }
}

/** As [SharedHandle.use], with all of them. */
internal fun <T> List<SharedHandle>.useAll(block: (LongArray) -> T): T {
    fun enterFrom(index: Int, addresses: LongArray): T = if (index == size) {
        block(addresses)
    } else {
        this[index].use { address ->
            addresses[index] = address
            enterFrom(index + 1, addresses)
        }
    }
    return enterFrom(0, LongArray(size))
}
