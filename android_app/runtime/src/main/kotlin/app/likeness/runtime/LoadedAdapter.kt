package app.likeness.runtime

/** An adapter of the core. */
internal class LoadedAdapter private constructor(val handle: SharedHandle) : Adapter {
    override val info: AdapterInfo = handle.use { readAdapterInfo(Native.adapterInfo(it).decodeToString()) }

    override fun close() = handle.close()

    companion object {
        fun of(address: Long): LoadedAdapter {
            val handle = SharedHandle(address, "adapter", Native::adapterClose)
            return closingOnFailure(handle) { LoadedAdapter(handle) }
        }
    }
}

/** @throws InvalidArgumentException for an adapter that no [Engine] made */
internal fun Adapter.loaded(): LoadedAdapter =
    this as? LoadedAdapter ?: throw InvalidArgumentException("the adapter is no Engine's; load its file with one")

/** What [block] makes of [handle], which is closed where that fails. */
internal inline fun <T> closingOnFailure(handle: SharedHandle, block: () -> T): T = try {
    block()
} catch (error: Throwable) {
    handle.close()
    throw error
}
